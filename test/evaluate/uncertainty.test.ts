import assert from 'node:assert/strict';
import { test } from 'node:test';
import { averageRanks, pearson } from '#dist/evaluate/metrics.js';
import { fillPhilox, philox4x32 } from '#dist/evaluate/philox.js';
import { bootstrapSpearman, percentileInterval } from '#dist/evaluate/uncertainty.js';

// Known answers of the authors' Random123 library (kat_vectors, philox4x32 10).
const knownAnswers: readonly (readonly [counter: number[], key: number[], words: number[]])[] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

test('Philox4x32-10 gives the published words', () => {
  for (const [counter, [low, high], words] of knownAnswers) {
    const block = Uint32Array.from(counter);
    philox4x32(block, low!, high!);
    assert.deepEqual(block, Uint32Array.from(words));
  }
});

test('draws depend on seed, stream and draw alone', () => {
  const words = (seed: number, stream: number, draw: number): string => {
    const out = new Uint32Array(7);
    fillPhilox(out, { seed, stream, draw });
    return out.join(' ');
  };
  assert.equal(words(1, 2, 3), words(1, 2, 3));
  const others = [words(2, 2, 3), words(1, 3, 3), words(1, 2, 4), words(1 + 2 ** 32, 2, 3)];
  assert.equal(new Set([words(1, 2, 3), ...others]).size, 5);
});

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
