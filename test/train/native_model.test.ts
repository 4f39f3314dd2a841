import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { SimgptError } from '#dist/errors.js';
import { mlmWeightAt } from '#dist/train/native_model.js';
import { train } from '#dist/train/train.js';
import type { TrainOptions } from '#dist/train/train.js';
import { temporaryFolder } from '../temporary_folder.js';
import { equalFiles } from './linear_run.js';
import { randomModel, writeTrainingScene } from './training_scene.js';

test('T2: the tiny BERT stopped after any step ends with the same bytes', async (context) => {
  const folder = await temporaryFolder(context);
  const { data, dev } = await writeTrainingScene(folder);
  const model = await randomModel(folder);
  // Dropout, a fresh head and a batch in two chunks: all that a resumed run must draw again.
  const settings = { batchSize: 8, epochs: 3, evaluateEvery: 4, learningRate: 1e-3 };
  const inputs = { recipe: 'simcse-sup', model, data, dev, settings, chunkTokens: 128, threads: 1 };
  const stopped = async (output: string, stopAt: number): Promise<void> => {
    const controller = new AbortController();
    const options: TrainOptions = {
      ...inputs,
      output,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'step' && event.step === stopAt) controller.abort();
      },
    };
    await assert.rejects(train(options), (error) => error instanceof SimgptError);
  };
  await train({ ...inputs, output: join(folder, 'whole') });
  const whole = await equalFiles(join(folder, 'whole'));
  for (let stopAt = 1; stopAt < 12; stopAt += 1) {
    const output = join(folder, `stopped-${stopAt}`);
    await stopped(output, stopAt);
    await train({ ...inputs, output });
    assert.deepEqual(await equalFiles(output), whole, `stopped after step ${stopAt}`);
  }
});

test('MLM decays by 0.95 every hundred steps, read as a real number', () => {
  const mlm = { weight: 0.1, rate: 0.15, decay: 0.95, decaySteps: 100 };
  assert.equal(mlmWeightAt(0, mlm), 0.1);
  assert.ok(Math.abs(mlmWeightAt(50, mlm) - 0.1 * Math.sqrt(0.95)) < 1e-15);
  assert.equal(mlmWeightAt(7, { ...mlm, decay: 1 }), 0.1);
  assert.equal(mlmWeightAt(7, null), 0);
});
