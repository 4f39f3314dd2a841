// The rows of the soak: what runs, how often in full, how often in the ordinary test run.
import { exits } from './exits.mjs';
import { faults } from './faults.mjs';
import { cancellation, disposal, order } from './lane.mjs';
import { neverDispose } from './memory.mjs';
import { misuse } from './misuse.mjs';
import { terminateWorkers } from './terminate.mjs';

export const rows = {
  A1: { what: 'terminations of each of 5 kinds', run: terminateWorkers, full: 200, short: 2 },
  A2: { what: 'misused calls', run: misuse, full: 2_500, short: 2_500 },
  A3: { what: 'exceptions thrown', run: faults, full: 600, short: 300 },
  A4: { what: 'ends with live jobs', run: exits, full: 1_000, short: 10 },
  A7: { what: 'tensors never disposed', run: neverDispose, full: 1_000_000, short: 600 },
  order: { what: 'jobs in call order', run: order, full: 20_000, short: 500 },
  cancel: { what: 'cancellations', run: cancellation, full: 2_000, short: 25 },
  dispose: { what: 'disposals', run: disposal, full: 2_000, short: 50 },
};
