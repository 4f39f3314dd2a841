import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';

import { nearDuplicateLeaders } from '#dist/diversity/near_duplicates.js';
import { capShares, sharesOf } from '#dist/diversity/shares.js';
import { joinVectors, randomVectors, rowsAround } from './random_vectors.js';

function keptPerGroup(groups: readonly string[], keep: Uint8Array): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [row, group] of groups.entries()) {
    if (keep[row] === 1) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return counts;
}

test('shares are sorted by size and add up to one', () => {
  assert.deepEqual(sharesOf(['b', 'a', 'b', 'c']), [
    { name: 'b', rows: 2, share: 0.5 },
    { name: 'a', rows: 1, share: 0.25 },
    { name: 'c', rows: 1, share: 0.25 },
  ]);
});

test('no group passes its share, first rows stay, and one row more a group would pass it', () => {
  const groups = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(groups, fc.integer({ min: 20, max: 100 }), (list, percent) => {
      const maxShare = percent / 100;
      const sizes = sharesOf(list);
      if (1 > maxShare * sizes.length * (1 + 1e-12)) {
        assert.throws(() => capShares(list, maxShare), /expected at least \d groups/);
        return;
      }
      const keep = capShares(list, maxShare);
      const counts = keptPerGroup(list, keep);
      const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
      const most = Math.max(...counts.values());
      assert.equal(counts.size, sizes.length);
      assert.ok(most <= maxShare * total + 1e-9);
      for (const [name, count] of counts) {
        const rows = list.flatMap((group, row) => (group === name ? [row] : []));
        assert.ok(rows.every((row, place) => keep[row] === (place < count ? 1 : 0)));
      }
      if (total === list.length) return;
      const wider = sizes.reduce((sum, { rows }) => sum + Math.min(rows, most + 1), 0);
      assert.ok(most + 1 > maxShare * wider);
    }),
    { seed: 4, numRuns: 500 },
  );
  assert.throws(() => capShares(['a'], 0), /expected 0 < maxShare <= 1, received 0/);
  assert.deepEqual([...capShares([], 0.5)], []);
});

test('a planted flood of 1 % stays within the share of a near-duplicate cluster, 50 of 50', () => {
  for (let seed = 0; seed < 50; seed++) {
    const honest = randomVectors(990, 32, seed);
    const flood = rowsAround(randomVectors(1, 32, seed + 1000), 10, 0.05, seed + 2000);
    const leaders = nearDuplicateLeaders(joinVectors([honest, flood]), 0.9);
    const groups = Array.from(leaders, String);
    const keep = capShares(groups, 0.002);
    const floodKept = keep.subarray(990).reduce((sum, kept) => sum + kept, 0);
    const total = keep.reduce((sum, kept) => sum + kept, 0);
    assert.ok(floodKept >= 1 && floodKept <= 0.002 * total, `seed ${seed}: ${floodKept}`);
    assert.ok(keep.subarray(0, 990).every((kept) => kept === 1));
  }
});
