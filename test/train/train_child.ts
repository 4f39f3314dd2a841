// Trains the linear model in a process of its own: train_child.js OPTIONS, as JSON. Prints each event.
import { interruptSignal } from '#dist/cli/interrupt.js';
import { reportFailure } from '#dist/cli/failure.js';
import { trainWith } from '#dist/train/train.js';
import type { TrainOptions } from '#dist/train/train.js';
import { openLinear } from './training_scene.js';

const options = JSON.parse(process.argv[2]!) as TrainOptions;
try {
  await trainWith(openLinear, {
    ...options,
    signal: interruptSignal(),
    onEvent: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
  });
} catch (error) {
  process.exitCode = reportFailure(error);
}
