import assert from 'node:assert/strict';
import { test } from 'node:test';

import { learningRateAt, stepsPerEpoch, totalStepsOf } from '#dist/train/schedule.js';

// METHODS 13: rows, batch, steps per epoch.
const golden: readonly [number, number, number][] = [
  [275_601, 512, 539],
  [275_601, 256, 1077],
  [275_601, 128, 2154],
  [1_000_000, 64, 15_625],
  [1_000_000, 256, 3907],
  [1_000_000, 512, 1954],
  [371_000, 512, 725],
  [371_000, 256, 1450],
  [646_601, 512, 1263],
  [646_601, 256, 2526],
  [499_184, 256, 1950],
  [1_800_000, 2048, 879],
];

test('steps per epoch are those of the golden table', () => {
  for (const [rows, batch, steps] of golden) assert.equal(stepsPerEpoch(rows, batch), steps);
  const nli = { batchSize: 512, epochs: 3 };
  const steps = totalStepsOf(275_601, nli);
  assert.equal(steps, 1617);
  assert.equal(Math.floor(steps / 125), 12);
  assert.equal(totalStepsOf(499_184, { batchSize: 256, epochs: 4 }), 7800);
  assert.equal(totalStepsOf(275_601, nli, 100), 100);
  assert.equal(totalStepsOf(275_601, nli, 10_000), 1617);
});

function rates(kind: 'linear' | 'cosine' | 'constant', warmupSteps: number): number[] {
  const run = { schedule: { kind, warmupSteps }, learningRate: 1, totalSteps: 10 };
  return Array.from({ length: 10 }, (_, step) => learningRateAt(step, run));
}

test('linear: lr t / T_w, then lr (T - t) / (T - T_w)', () => {
  assert.deepEqual(rates('linear', 4), [
    0,
    1 / 4,
    2 / 4,
    3 / 4,
    1,
    5 / 6,
    4 / 6,
    3 / 6,
    2 / 6,
    1 / 6,
  ]);
  assert.deepEqual(rates('linear', 0).slice(0, 2), [1, 9 / 10]);
});

test('cosine falls from the whole rate along half a wave; constant stays', () => {
  const cosine = rates('cosine', 0);
  assert.equal(cosine[0], 1);
  assert.ok(Math.abs(cosine[5]! - 0.5) < 1e-15);
  assert.ok(Math.abs(cosine[9]! - (1 + Math.cos(0.9 * Math.PI)) / 2) < 1e-15);
  assert.deepEqual(rates('constant', 2), [0, 0.5, ...Array<number>(8).fill(1)]);
});

test('steps outside the run and a warm-up without end are refused', () => {
  const run = {
    schedule: { kind: 'linear', warmupSteps: 0 },
    learningRate: 1,
    totalSteps: 3,
  } as const;
  assert.throws(
    () => learningRateAt(3, run),
    /^RangeError: expected step from 0 to 2, received 3$/,
  );
  const warm = { ...run, schedule: { kind: 'linear', warmupSteps: 3 } } as const;
  assert.throws(
    () => learningRateAt(0, warm),
    /^RangeError: expected warmupSteps < 3 steps, received 3$/,
  );
});
