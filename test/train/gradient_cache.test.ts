import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, goldenRows, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';
import { worstDifference } from './train_probe.js';
import type { TrainSettings } from './train_probe.js';

const dropout: TrainSettings = { hiddenDropout: 0.1, attentionDropout: 0.1 };

describe('the memory of a step', { skip: skipWithoutModule }, () => {
  it('follows the chunk, not the batch', async () => {
    const module = loadTrainingModule();
    const row = [2, ...Array.from({ length: 28 }, (_, i) => 5 + i), 3];
    const batch = (count: number) =>
      [
        Int32Array.from(Array.from({ length: count }, () => row).flat()),
        Int32Array.from({ length: count + 1 }, (_, i) => i * row.length),
      ] as const;
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean', precision: 'float32' });
    const bytes = async (count: number, chunkTokens: number) =>
      (await trainStep(module, spec, dropout, { step: 1, chunkTokens }, batch(count))).bytes;
    const small = await bytes(40, 600);
    assert.ok((await bytes(400, 600)) < 1.25 * small); // a thread that had no task has no memory
    assert.ok((await bytes(400, 12_000)) > 5 * small);
  });
});

describe('a step that is cancelled', { skip: skipWithoutModule }, () => {
  it('leaves no gradient behind, whole or in chunks', async () => {
    const module = loadTrainingModule();
    const rows = await goldenRows('bert-erf', 30);
    const spec = {
      ...(await modelSpec(goldenDir('bert-erf'), { pooling: 'mean' })),
      maxTokens: 30,
    };
    for (const chunkTokens of [0, 30]) {
      const step = { step: 1, chunkTokens };
      const plain = await trainStep(module, spec, dropout, step, rows);
      const again = await trainStep(module, spec, dropout, { ...step, interrupts: true }, rows);
      assert.equal(again.interrupted, 'cancelled');
      for (const [i, { name, grad }] of plain.parameters.entries()) {
        assert.deepEqual(again.parameters[i]?.grad, grad, name);
      }
    }
  });
});

describe('a gradient that is no number', { skip: skipWithoutModule }, () => {
  it('is found by the name of its tensor', async () => {
    const module = loadTrainingModule();
    const rows = await goldenRows('bert-erf', 30);
    const spec = {
      ...(await modelSpec(goldenDir('bert-erf'), { pooling: 'mean' })),
      maxTokens: 30,
    };
    const healthy = await trainStep(module, spec, dropout, { step: 1 }, rows);
    assert.equal(healthy.notFinite, '');
    // 1e308 in the last LayerNorm's bias: the square of the sum of the rows is infinite.
    const name = 'encoder.layer.2.output.LayerNorm.bias';
    const step = { step: 1, changed: name, index: 0, delta: 1e308 };
    const { notFinite } = await trainStep(module, spec, dropout, step, rows);
    assert.equal(notFinite, 'embeddings.word_embeddings.weight');
  });
});

describe('the gradient cache', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  const cases: readonly (readonly [string, TrainSettings])[] = [
    ['all parameters', dropout],
    ['a deep prompt', { ...dropout, trains: 'deepPrompt', promptLength: 2 }],
    ['LoRA', { ...dropout, trains: 'lora' }],
    [
      'masked language modelling',
      { ...dropout, mlm: true, maskRate: 0.3, maskTokenId: 4, specialIds: [0, 1, 2, 3] },
    ],
  ];
  for (const [what, train] of cases) {
    it(`gives the unchunked gradient, with dropout, at three chunk sizes: ${what}`, async () => {
      const rows = await goldenRows('bert-erf', 30);
      const options = { pooling: 'cls', head: 'mlp' } as const;
      const spec = { ...(await modelSpec(goldenDir('bert-erf'), options)), maxTokens: 30 };
      const step = { step: 11, mlmWeight: train.mlm === true ? 0.3 : 0 };
      const whole = await trainStep(module, spec, train, step, rows);
      assert.equal(whole.chunks, 1);
      const seen = new Set<number>();
      for (const chunkTokens of [1, 30, 50]) {
        const cut = await trainStep(module, spec, train, { ...step, chunkTokens }, rows);
        seen.add(cut.chunks);
        assert.ok(worstDifference(cut.embeddings, whole.embeddings) < 1e-12);
        assert.ok(Math.abs(cut.mlmLoss - whole.mlmLoss) < 1e-12);
        for (const [i, { name, grad }] of whole.parameters.entries()) {
          if (grad === undefined) continue;
          const difference = worstDifference(cut.parameters[i]?.grad ?? new Float64Array(), grad);
          assert.ok(difference < 1e-10, `${name}, ${chunkTokens} tokens: ${difference}`);
        }
      }
      assert.ok(seen.size === 3 && !seen.has(1), `chunks: ${[...seen].join(', ')}`);
    });
  }
});
