import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';

import { createNearVectorIndex, nearDuplicateLeaders } from '#dist/diversity/near_duplicates.js';
import { selfSimilarity } from '#dist/diversity/self_similarity.js';
import { dot, drawSample, unitVectors } from '#dist/diversity/vectors.js';
import type { Vectors } from '#dist/diversity/vectors.js';
import { joinVectors, randomVectors, rowsAround } from './random_vectors.js';

/** Leader clustering by the definition, every pair in full. */
function leadersByDefinition(vectors: Vectors, threshold: number): number[] {
  const unit = unitVectors(vectors);
  const leaders: number[] = [];
  return Array.from({ length: vectors.embeddings.length / vectors.dimensions }, (_, row) => {
    let nearest = -1;
    let most = -Infinity;
    for (const leader of leaders) {
      const cosine = dot(unit, row, unit, leader);
      if (cosine >= threshold && cosine > most) [nearest, most] = [leader, cosine];
    }
    if (nearest >= 0) return nearest;
    leaders.push(row);
    return row;
  });
}

test('near duplicates by embedding are those of the full comparison', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 10_000 }),
      fc.integer({ min: 1, max: 120 }),
      fc.constantFrom(1, 7, 48, 49, 130),
      fc.constantFrom(0.3, 0.8, 0.95),
      (seed, rows, dimensions, threshold) => {
        const centres = randomVectors(9, dimensions, seed);
        const vectors = rowsAround(centres, rows, 0.25, seed + 1);
        assert.deepEqual(
          [...nearDuplicateLeaders(vectors, threshold)],
          leadersByDefinition(vectors, threshold),
        );
      },
    ),
    { seed: 3, numRuns: 60 },
  );
});

test('equal rows are near duplicates at every threshold, and unlike ones at none', () => {
  const vectors = randomVectors(300, 64, 1);
  const twice = joinVectors([vectors, vectors]);
  const leaders = nearDuplicateLeaders(twice, 1);
  assert.deepEqual(
    [...leaders],
    [...leaders.keys()].map((row) => row % 300),
  );
  assert.throws(() => createNearVectorIndex(4, 0), /expected 0 < threshold <= 1, received 0/);
});

test('self-similarity is 1 for one direction, about 0 for random ones, exact for few rows', () => {
  const one = rowsAround(randomVectors(1, 16, 2), 20, 0, 3);
  assert.ok(Math.abs(selfSimilarity(one).mean - 1) < 1e-6);
  const many = randomVectors(500, 64, 4);
  const { mean, cosines } = selfSimilarity(many, { pairs: 5000, seed: 7 });
  assert.equal(cosines.length, 5000);
  assert.ok(Math.abs(mean) < 0.01);
  assert.deepEqual(selfSimilarity(many, { pairs: 5000, seed: 7 }).cosines, cosines);
  assert.notDeepEqual(selfSimilarity(many, { pairs: 5000, seed: 8 }).cosines, cosines);
  assert.equal(selfSimilarity(randomVectors(10, 4, 1)).cosines.length, 45);
  assert.ok(Number.isNaN(selfSimilarity(randomVectors(1, 4, 1)).mean));
});

test('embeddings that are not finite or of another width are refused', () => {
  assert.throws(
    () => unitVectors({ embeddings: Float32Array.of(1, NaN, 1, 1), dimensions: 2 }),
    /expected finite embeddings, received others in row 0/,
  );
  assert.throws(() => unitVectors({ embeddings: new Float32Array(3), dimensions: 2 }), RangeError);
  const zero = unitVectors({ embeddings: new Float32Array(2), dimensions: 2 });
  assert.deepEqual([...zero.embeddings], [0, 0]);
});

test('a sample holds each number at most once and is a function of its seed', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.nat(250), fc.nat(1000), (total, count, seed) => {
      const sample = drawSample(total, count, seed);
      assert.equal(sample.length, Math.min(total, count));
      assert.equal(new Set(sample).size, sample.length);
      assert.ok(sample.every((value, i) => value < total && (i === 0 || value > sample[i - 1]!)));
      assert.deepEqual(drawSample(total, count, seed), sample);
    }),
    { seed: 1 },
  );
});
