import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { openNewestCheckpoint } from '#dist/train/checkpoints.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runLinear } from './linear_run.js';

test('T5: wherever a number is none, the run stops there and goes on from a good checkpoint', async (context) => {
  const folder = await temporaryFolder(context);
  const values = [Number.NaN, Infinity, -Infinity];
  const places = ['loss', 'part', 'gradient'] as const;
  for (let step = 1; step <= 11; ++step) {
    for (const [place, value] of places.flatMap((at) => values.map((bad) => [at, bad] as const))) {
      const path = join(folder, `${step}-${place}-${value}`);
      const poisoned = runLinear(path, {
        evaluate: undefined,
        totalSteps: 12,
        checkpointEvery: 3,
        change: (model) => ({
          ...model,
          accumulate: async (batch) => {
            const found = await model.accumulate(batch);
            if (batch.step + 1 !== step) return found;
            if (place === 'gradient') model.poison();
            return {
              loss: place === 'loss' ? value : found.loss,
              parts: { infoNce: place === 'part' ? value : found.loss },
            };
          },
        }),
      });
      const last = Math.floor((step - 1) / 3) * 3;
      const saved = last === 0 ? 'there is no checkpoint yet' : `step ${last} is saved`;
      const names = place === 'gradient' ? 'the gradient of weights' : 'the loss';
      const message = new RegExp(`^step ${step}: expected ${names}.* finite.*row-.*; ${saved}$`);
      await assert.rejects(poisoned, { code: 'trainingDiverged', message });
      const kept = await openNewestCheckpoint(join(path, 'checkpoints'));
      assert.equal(kept?.state.step ?? 0, last);
    }
  }
});
