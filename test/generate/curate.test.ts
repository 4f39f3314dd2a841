import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defaultRule,
  preFilter,
  releasedRule,
  releasedRules,
  ruleInWords,
  survives,
} from '#dist/generate/curate.js';
import type { CurationRule } from '#dist/generate/curate.js';

/** Every pair of grades in halves. */
const grid = Array.from({ length: 121 }, (_, i) => ({
  positive: Math.floor(i / 11) / 2,
  negative: (i % 11) / 2,
}));

test('the default rule reads all three thresholds', () => {
  for (const { positive, negative } of grid) {
    const wanted = positive >= 3 && negative <= 3 && positive >= negative + 1;
    assert.equal(survives({ positive, negative }, defaultRule), wanted);
  }
});

test('the gap of the released preset is the same as a > b at its thresholds', () => {
  for (const grades of grid) {
    const { positive, negative } = grades;
    const wanted = positive >= 3 && negative <= 3 && positive > negative;
    assert.equal(survives(grades, releasedRule), wanted);
  }
  // Where the thresholds leave room, it is not: D5.
  const wide: CurationRule = { alpha: 0, beta: 5, gapRule: 'notEqual' };
  assert.equal(survives({ positive: 1, negative: 2 }, wide), true);
});

test('the released presets are the seventeen of the code, three of them with a gap', () => {
  assert.equal(releasedRules.length, 17);
  assert.equal(new Set(releasedRules.map(ruleInWords)).size, 17);
  const gaps = releasedRules.filter(({ gapRule }) => gapRule === 'notEqual');
  assert.deepEqual(
    gaps.map(({ alpha, beta }) => [alpha, beta]),
    [
      [3, 3],
      [4, 4],
      [2, 2],
    ],
  );
});

test('the pre-filter keeps, swaps or drops, and never keeps what is better swapped', () => {
  for (const { positive, negative } of grid) {
    const verdict = preFilter({ positive, negative });
    if (negative <= 4 && positive >= negative) assert.equal(verdict, 'keep');
    else if (positive <= 4 && positive <= negative) assert.equal(verdict, 'swap');
    else assert.equal(verdict, 'drop');
    // What comes out has its higher grade in the positive's place.
    if (verdict === 'swap') assert.ok(negative >= positive);
  }
});

test('a grade that is no number survives no rule', () => {
  for (const rule of [defaultRule, releasedRule, ...releasedRules]) {
    assert.equal(survives({ positive: NaN, negative: 0 }, rule), false);
    assert.equal(survives({ positive: 5, negative: NaN }, rule), false);
  }
});
