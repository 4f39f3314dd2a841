// The soak's rows of training in small: scripts/soak.mjs runs them in full. T1 and T6 are in
// kill.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { copiedCheckpoints, pairedRuns, seenExamples } from '../soak/train_loop_rows.js';
import { temporaryFolder } from '../temporary_folder.js';

const rows = [
  ['T3: checkpoints copied while a run writes them hold one that loads', copiedCheckpoints, 100],
  ['T4: through ends at any step each row is seen once an epoch', seenExamples, 5],
  ['T7: two runs with one seed end with the same bytes', pairedRuns, 2],
] as const;

for (const [name, run, count] of rows) {
  test(name, async (context) => {
    const root = await temporaryFolder(context);
    const { failures, trials } = await run({ shim: '', root, count, seed: 3 });
    assert.deepEqual(failures, []);
    assert.ok(trials >= count);
  });
}
