import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';

describe('masked language modelling', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  const train = { mlm: true, maskTokenId: 4, specialIds: [2, 3] };
  // 100 rows of [CLS] 20 words [SEP]
  const row = [2, ...Array.from({ length: 20 }, (_, i) => 10 + i), 3];
  const ids = Int32Array.from(Array.from({ length: 100 }, () => row).flat());
  const starts = Int32Array.from({ length: 101 }, (_, i) => i * row.length);
  const masked = async (maskRate: number, step: number) => {
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'cls', head: 'none' });
    const settings = { ...train, maskRate };
    return trainStep(module, spec, settings, { step, mlmWeight: 0.1 }, [ids, starts]);
  };

  it('predicts the stated share of the tokens that are not special ones', async () => {
    for (const rate of [0.1, 0.15, 0.5]) {
      const { masked: count } = await masked(rate, 3);
      const deviation = Math.sqrt(2000 * rate * (1 - rate));
      assert.ok(Math.abs(count - 2000 * rate) < 4 * deviation, `${rate}: ${count}`);
    }
  });

  it('predicts other tokens at each step, and nothing at rate 0', async () => {
    const first = await masked(0.15, 1);
    const second = await masked(0.15, 2);
    assert.notEqual(first.mlmLoss, second.mlmLoss);
    assert.equal((await masked(0.15, 1)).mlmLoss, first.mlmLoss);
    const none = await masked(0, 1);
    assert.deepEqual([none.masked, none.mlmLoss], [0, 0]);
  });
});
