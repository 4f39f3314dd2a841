import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';

import { kMeans, topWords } from '#dist/diversity/topics.js';
import { randomVectors, rowsAround } from './random_vectors.js';

test('k-means finds clusters that lie apart, whatever the seed of its starts', () => {
  const vectors = rowsAround(randomVectors(5, 32, 11), 500, 0.1, 12);
  for (const seed of [0, 1, 2, 3, 4]) {
    const { assignments, sizes, inertia } = kMeans(vectors, { k: 5, seed });
    assert.deepEqual([...sizes], [100, 100, 100, 100, 100]);
    for (let row = 5; row < 500; row++) assert.equal(assignments[row], assignments[row % 5]);
    assert.ok(inertia < 0.05);
  }
});

test('clusters are a function of vectors, k and seed, cover every row and fall in size', () => {
  fc.assert(
    fc.property(fc.nat(50), fc.integer({ min: 1, max: 12 }), fc.nat(100), (rows, k, seed) => {
      const vectors = randomVectors(rows, 6, seed);
      const found = kMeans(vectors, { k, seed });
      assert.deepEqual(kMeans(vectors, { k, seed }), found);
      assert.equal(found.k, Math.min(k, rows));
      assert.equal(found.assignments.length, rows);
      const counted = new Uint32Array(found.k);
      for (const cluster of found.assignments) counted[cluster]! += 1;
      assert.deepEqual(counted, found.sizes);
      assert.ok(found.sizes.every((size, i) => i === 0 || size <= found.sizes[i - 1]!));
      assert.ok(Number.isFinite(found.inertia));
    }),
    { seed: 2, numRuns: 60 },
  );
  assert.throws(() => kMeans(randomVectors(2, 2, 1), { k: 0 }), /expected k >= 1, received 0/);
});

test('rows that are all equal make one cluster and leave the others empty', () => {
  const { sizes, inertia } = kMeans(rowsAround(randomVectors(1, 8, 1), 10, 0, 1), { k: 3 });
  assert.equal(sizes[0], 10);
  assert.ok(inertia < 1e-9);
});

test('the top words of a cluster are those that other clusters lack', () => {
  const texts = ['the cat sat', 'the cat ran', 'the ship sailed', 'the ship sank'];
  const words = topWords(texts, { assignments: Uint32Array.of(0, 0, 1, 1), k: 2 }, 2);
  assert.deepEqual(words, [
    ['cat', 'ran'],
    ['ship', 'sailed'],
  ]);
});
