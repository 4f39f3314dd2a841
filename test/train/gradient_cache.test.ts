import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, goldenRows, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';
import { worstDifference } from './train_probe.js';
import type { TrainSettings } from './train_probe.js';

const dropout: TrainSettings = { hiddenDropout: 0.1, attentionDropout: 0.1 };

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
