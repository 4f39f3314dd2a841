import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { Encoder } from '#dist/encoder/encoder.js';
import { SimgptError } from '#dist/errors.js';
import { mlmWeightAt } from '#dist/train/native_model.js';
import { Optimizer } from '#dist/train/optimizer.js';
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
  // Chunks of another size end elsewhere, so that going on with them is refused.
  const output = join(folder, 'other-chunks');
  await stopped(output, 1);
  await assert.rejects(train({ ...inputs, chunkTokens: 64, output }), {
    code: 'outputExists',
    message: /chunkTokens was 128, is 64 now; repeat the first command/,
  });
  await train({ ...inputs, chunkTokens: 64, output: join(folder, 'small-chunks') });
  const small = await equalFiles(join(folder, 'small-chunks'));
  const weights = 'model/model.safetensors';
  assert.ok(whole.has(weights) && small.get(weights) !== whole.get(weights));
});

test('a pooling over two layers is trained, and exported to the same vectors', async (context) => {
  const folder = await temporaryFolder(context);
  const { data, dev } = await writeTrainingScene(folder);
  const model = await randomModel(folder);
  const texts = ['a man plays', 'the women', ''];
  for (const pooling of ['firstLastMean', 'lastTwoMean', 'embeddingLastMean'] as const) {
    const output = join(folder, pooling);
    const settings = { pooling, batchSize: 8, evaluateEvery: 2, learningRate: 1e-2 };
    const inputs = { recipe: 'simcse-sup', model, data, dev, settings };
    const { runs } = await train({ ...inputs, maxSteps: 4, threads: 1, output });
    const evaluation = JSON.parse(await readFile(join(output, 'evaluation.json'), 'utf8')) as {
      dev: { after: { spearman: number } }[];
    };
    const gap = evaluation.dev[0]!.after.spearman - runs[0]!.selected.score!;
    assert.ok(Math.abs(gap) < 1e-6, `${pooling}: ${gap}`);

    const saved = join(folder, `${pooling}-saved`);
    await using encoder = await Encoder.load(model, { trains: { kind: 'all' }, pooling });
    await using optimizer = new Optimizer(encoder);
    const batch = { anchors: texts.slice(0, 2), positives: texts.slice(1) };
    await encoder.accumulateGradients(batch, { kind: 'infoNce' });
    await optimizer.step({ learningRate: 1e-2 });
    await encoder.save(saved);
    await using loaded = await Encoder.load(saved, { precision: 'float32' });
    const [trained, read] = await Promise.all([encoder.embed(texts), loaded.embed(texts)]);
    const worst = trained.embeddings.map((value, i) => Math.abs(value - read.embeddings[i]!));
    assert.ok(Math.max(...worst) < 1e-5, `${pooling}: ${Math.max(...worst)}`);
  }
});

test('MLM decays by 0.95 every hundred steps, read as a real number', () => {
  const mlm = { weight: 0.1, rate: 0.15, decay: 0.95, decaySteps: 100 };
  assert.equal(mlmWeightAt(0, mlm), 0.1);
  assert.ok(Math.abs(mlmWeightAt(50, mlm) - 0.1 * Math.sqrt(0.95)) < 1e-15);
  assert.equal(mlmWeightAt(7, { ...mlm, decay: 1 }), 0.1);
  assert.equal(mlmWeightAt(7, null), 0);
});
