// Trains the linear model in a process of its own: train_child.js OPTIONS [HOLD], as JSON. Prints each
// event, and where a call of the model waits for a signal.
import { setTimeout } from 'node:timers/promises';

import { interruptSignal } from '#dist/cli/interrupt.js';
import { reportFailure } from '#dist/cli/failure.js';
import { trainWith } from '#dist/train/train.js';
import type { TrainOptions } from '#dist/train/train.js';
import type { OpenModel } from '#dist/train/trainable.js';
import { openLinear } from './training_scene.js';

/** A call of the model that does not go on before a signal has come. */
export interface Hold {
  /** Counted from 1 over steps, updates, embeddings and what is saved. */
  readonly call: number;
  /** How much longer it takes. */
  readonly afterwardsMs: number;
}

const options = JSON.parse(process.argv[2]!) as TrainOptions;
const hold = JSON.parse(process.argv[3] ?? 'null') as Hold | null;
const signal = interruptSignal();
const print = (event: object): boolean => process.stdout.write(`${JSON.stringify(event)}\n`);

const openHeld: OpenModel = async (request) => {
  const model = await openLinear(request);
  let calls = 0;
  const wait = async (): Promise<void> => {
    if (++calls !== hold?.call) return;
    print({ kind: 'held' });
    await setTimeout(60_000, undefined, { signal }).catch(() => {});
    if (!signal.aborted) throw new Error('expected a signal within a minute');
    print({ kind: 'noticed' });
    await setTimeout(hold.afterwardsMs);
  };
  return {
    ...model,
    accumulate: (batch) => wait().then(() => model.accumulate(batch)),
    update: (settings) => wait().then(() => model.update(settings)),
    embed: (...texts) => wait().then(() => model.embed(...texts)),
    saveState: (path) => wait().then(() => model.saveState(path)),
    exportModel: (folder) => wait().then(() => model.exportModel(folder)),
  };
};

try {
  await trainWith(openHeld, { ...options, signal, onEvent: print });
} catch (error) {
  process.exitCode = reportFailure(error);
}
