import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  averageRanks,
  cosineOfRows,
  finiteScore,
  pearson,
  spearman,
  zeroNonFinite,
} from '#dist/evaluate/metrics.js';

const list = (...values: number[]): Float64Array => Float64Array.from(values);

test('ties share the average of the ranks they cover', () => {
  assert.deepEqual(averageRanks(list(1, 2, 2, 4, 5)), list(1, 2.5, 2.5, 4, 5));
  assert.deepEqual(averageRanks(list(3, 3, 3)), list(2, 2, 2));
  assert.deepEqual(averageRanks(list(-0, 0, 1)), list(1.5, 1.5, 3));
  assert.deepEqual(averageRanks(list()), list());
});

test('Spearman gives the golden value of a list with ties on both sides', () => {
  const rho = spearman(list(1, 2, 2, 4, 5), list(0.1, 0.4, 0.3, 0.3, 0.9));
  assert.ok(Math.abs(rho - 0.7631579) < 5e-8, String(rho));
});

test('ranks equal a count of smaller and equal values, for any list', () => {
  const values = fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.double({ noNaN: true })));
  fc.assert(
    fc.property(values, (numbers) => {
      const expected = numbers.map((value) => {
        const smaller = numbers.filter((other) => other < value).length;
        const equal = numbers.filter((other) => other === value).length;
        return smaller + (equal + 1) / 2;
      });
      assert.deepEqual(averageRanks(Float64Array.from(numbers)), Float64Array.from(expected));
    }),
  );
});

test('Spearman does not change under an increasing map and changes sign under a decreasing one', () => {
  const x = list(0.3, 0.1, 0.9, 0.1, 0.5);
  const y = list(2, 1, 3, 1, 1);
  const rho = spearman(x, y);
  assert.ok(Math.abs(spearman(x.map(Math.exp), y) - rho) < 1e-15);
  assert.ok(
    Math.abs(
      spearman(
        x.map((value) => -value),
        y,
      ) + rho,
    ) < 1e-15,
  );
  assert.equal(pearson(list(1, 2, 3), list(2, 4, 6)), 1);
});

test('a correlation that is not finite scores 0 and is reported', () => {
  assert.deepEqual(finiteScore(spearman(list(1, 1), list(1, 2))), { value: 0, finite: false });
  assert.deepEqual(finiteScore(pearson(list(), list())), { value: 0, finite: false });
  assert.deepEqual(finiteScore(0.5), { value: 0.5, finite: true });
});

test('lists of two lengths are refused', () => {
  assert.throws(
    () => pearson(list(1), list(1, 2)),
    new RangeError('expected two lists of one length, received 1 and 2'),
  );
});

test('cosines: equal rows give exactly 1, a zero row gives 0', () => {
  const rows = Float32Array.from([0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0, 0, 0, -0.1, -0.2, -0.3]);
  const cosines = cosineOfRows(rows, 3, Uint32Array.of(0, 0, 0), Uint32Array.of(1, 2, 3));
  assert.deepEqual(cosines, list(1, 0, -1));
});

test('entries that are not finite become 0 and are counted', () => {
  const values = Float32Array.of(1, NaN, Infinity, -Infinity, 2);
  assert.equal(zeroNonFinite(values), 3);
  assert.deepEqual(values, Float32Array.of(1, 0, 0, 0, 2));
});
