import assert from 'node:assert/strict';
import { test } from 'node:test';
import { averageRanks, pearson } from '#dist/evaluate/metrics.js';
import { bootstrapSpearman, percentileInterval } from '#dist/evaluate/uncertainty.js';
import { fillPhilox } from '#dist/random/philox.js';

function correlated(pairs: number): { x: Float64Array; y: Float64Array } {
  const noise = new Uint32Array(2 * pairs);
  fillPhilox(noise, { seed: 5, stream: 0, draw: 0 });
  // Five grades and many equal similarities: ties on both sides.
  const x = Float64Array.from({ length: pairs }, (_, i) => noise[i]! % 5);
  const y = x.map((grade, i) => grade + (noise[pairs + i]! % 9));
  return { x, y };
}

test('each draw equals Spearman of the resample written out', async () => {
  const { x, y } = correlated(101);
  const rhos = await bootstrapSpearman(x, y, { seed: 9, stream: 4, draws: 20 });
  const words = new Uint32Array(101);
  for (let draw = 0; draw < 20; draw++) {
    fillPhilox(words, { seed: 9, stream: 4, draw });
    const picks = Array.from(words, (word) => Math.floor((word * 101) / 2 ** 32));
    const expected = pearson(
      averageRanks(Float64Array.from(picks, (pick) => x[pick]!)),
      averageRanks(Float64Array.from(picks, (pick) => y[pick]!)),
    );
    assert.ok(Math.abs(rhos[draw]! - expected) < 1e-12, `draw ${draw}`);
  }
});

test('the interval covers the score and narrows with more pairs', async () => {
  const wide = correlated(100);
  const narrow = correlated(2000);
  const options = { seed: 1, stream: 0, draws: 400 };
  const [low, high] = percentileInterval(await bootstrapSpearman(wide.x, wide.y, options));
  const [low2, high2] = percentileInterval(await bootstrapSpearman(narrow.x, narrow.y, options));
  assert.ok(low < high && low2 < high2);
  assert.ok(high2 - low2 < (high - low) / 2);
  const rho = pearson(averageRanks(narrow.x), averageRanks(narrow.y));
  assert.ok(low2 < rho && rho < high2);
});

test('the ends of an interval are interpolated between neighbours', () => {
  const values = Float64Array.from({ length: 101 }, (_, i) => 100 - i);
  assert.deepEqual(percentileInterval(values, 0.25), [37.5, 62.5]);
  assert.deepEqual(percentileInterval(Float64Array.of(3)), [3, 3]);
});

test('a resample with one side constant counts as 0', async () => {
  const rhos = await bootstrapSpearman(Float64Array.of(1, 1, 1), Float64Array.of(1, 2, 3), {
    seed: 1,
    stream: 0,
    draws: 5,
  });
  assert.deepEqual(rhos, new Float64Array(5));
});

test('an aborted signal stops the draws with the code cancelled', async () => {
  const { x, y } = correlated(10);
  const signal = AbortSignal.abort();
  await assert.rejects(bootstrapSpearman(x, y, { seed: 1, stream: 0, signal }), {
    code: 'cancelled',
  });
});
