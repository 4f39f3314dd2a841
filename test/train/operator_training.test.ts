import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { Encoder, Optimizer, train } from '#dist/index.js';
import type { GradientBatch, LoadOptions, Loss, TrainOptions } from '#dist/index.js';
import { SimgptError } from '#dist/errors.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { equalFiles } from './linear_run.js';
import { randomModel, writeTrainingScene } from './training_scene.js';

const model = join(repoRoot, 'test/golden/bert-erf');
const infoNce: Loss = { kind: 'infoNce', temperature: 0.05 };
const batch: GradientBatch = {
  anchors: ['a man plays', 'long text', 'one game'],
  positives: ['men play a game', 'a long text', 'two games'],
  hardNegatives: [['no man'], ['a word', 'two words'], ['seven games']],
};
const reference = { backend: 'reference' } as const;

function load(options: LoadOptions): Promise<Encoder> {
  const given = { trains: { kind: 'all' }, pooling: 'mean', seed: 3, threads: 1 } as const;
  return Encoder.load(model, { ...given, ...options });
}

/** Losses and norms of some steps. */
async function steps(encoder: Encoder, optimizer: Optimizer, count: number, losses: Loss[]) {
  const numbers: number[] = [];
  for (let step = 0; step < count; ++step) {
    const { loss } = await encoder.accumulateGradients(batch, losses, { step });
    numbers.push(loss, await optimizer.step({ learningRate: 1e-3, maxGradNorm: 0.5 }));
  }
  return numbers;
}

describe('training in plain operators', () => {
  const several: readonly (readonly [string, Loss[]])[] = [
    [
      'InfoNCE with a learned temperature',
      [{ kind: 'infoNce', temperature: { kind: 'learned', initial: 0.1 } }],
    ],
    ['energy hinge and Qwen3’s', [{ kind: 'energyHinge' }, { kind: 'qwen3' }]],
    ['Matryoshka', [{ kind: 'matryoshka', losses: [{ kind: 'triplet' }], sizes: [8, 24] }]],
  ];
  for (const [what, losses] of several) {
    test(`follows the kernels with dropout, clipping and decay: ${what}`, async () => {
      const run = async (options: LoadOptions) => {
        await using encoder = await load(options);
        await using optimizer = new Optimizer(encoder, { weightDecay: 0.1 });
        return await steps(encoder, optimizer, 6, losses);
      };
      const expected = await run({ precision: 'float64' });
      const actual = await run({ ...reference, precision: 'float64' });
      for (const [i, value] of actual.entries()) {
        assert.ok(Math.abs(value / expected[i]! - 1) < 1e-7, `${i}: ${value} ${expected[i]}`);
      }
    });
  }

  test('lowers the loss in bfloat16 as it does in float32, dropout on', async () => {
    const run = async (precision: 'float32' | 'bfloat16') => {
      await using encoder = await load({ ...reference, precision });
      assert.equal(encoder.precision, precision);
      await using optimizer = new Optimizer(encoder);
      const numbers = await steps(encoder, optimizer, 30, [infoNce]);
      return numbers.filter((_, i) => i % 2 === 0);
    };
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
    const [wide, narrow] = [await run('float32'), await run('bfloat16')];
    assert.notDeepEqual(narrow, wide);
    for (const losses of [wide, narrow]) {
      assert.ok(mean(losses.slice(-5)) < 0.8 * mean(losses.slice(0, 5)), losses.join(', '));
    }
    const gaps = wide.map((loss, i) => Math.abs(loss - narrow[i]!));
    assert.ok(Math.max(...gaps) < 0.1 * wide[0]!, gaps.join(', '));
  });

  test('names the examples of an embedding and the tensor of a gradient that is no number', async () => {
    await using encoder = await load(reference);
    await using optimizer = new Optimizer(encoder);
    await encoder.accumulateGradients(batch, infoNce);
    await optimizer.step({ learningRate: 1e30 });
    await assert.rejects(encoder.accumulateGradients(batch, infoNce), {
      code: 'trainingDiverged',
      message: /finite numbers in (embeddings|loss), received NaN/,
    });
  });
});

describe('a run in plain operators', () => {
  test('stopped and resumed ends with the same bytes; other numbers are another run', async (context) => {
    const folder = await temporaryFolder(context);
    const { data, dev } = await writeTrainingScene(folder);
    const settings = { batchSize: 8, epochs: 1, evaluateEvery: 2, learningRate: 1e-3 };
    const inputs = {
      recipe: 'simcse-sup',
      model: await randomModel(folder),
      data,
      dev,
      settings,
      chunkTokens: 128,
      threads: 1,
      compute: { backend: 'reference', precision: 'bfloat16' },
    } as const;
    const [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
    await train({ ...inputs, output: whole });
    const controller = new AbortController();
    const options: TrainOptions = {
      ...inputs,
      output: cut,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'step' && event.step === 2) controller.abort();
      },
    };
    await assert.rejects(train(options), (error) => error instanceof SimgptError);
    await train({ ...inputs, output: cut });
    assert.deepEqual(await equalFiles(cut), await equalFiles(whole));
    await assert.rejects(train({ ...inputs, compute: {}, output: whole }), {
      code: 'outputExists',
      message: /compute was/,
    });
  });
});

describe('what cannot train', () => {
  test('is refused before a file is read', async () => {
    await assert.rejects(load({ precision: 'bfloat16' }), {
      code: 'unsupported',
      message:
        "expected precision 'float32' or 'float64' in training on the CPU, received 'bfloat16': " +
        "it is for device 'cuda' and for backend 'reference'",
    });
    await assert.rejects(load({ ...reference, device: 'cuda' }), { code: 'unsupported' });
  });

  test('on a machine without CUDA names what is in the way', async (context) => {
    const outcome = await load({ device: 'cuda' }).catch((error: unknown) => error);
    if (outcome instanceof Encoder) {
      await outcome.dispose();
      context.skip('this machine has CUDA');
      return;
    }
    assert.ok(outcome instanceof SimgptError);
    assert.equal(outcome.code, 'deviceUnavailable');
    assert.match(outcome.message, /expected device cuda to be usable, but /);
  });
});
