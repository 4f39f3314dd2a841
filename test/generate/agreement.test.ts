import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreementOf } from '#dist/generate/agreement.js';

test('agreement is rank correlation, mean error and its direction', () => {
  const { pairs, spearman, meanError, meanDifference } = agreementOf([0, 1, 2, 5], [1, 1.5, 2, 4]);
  assert.equal(pairs, 4);
  assert.equal(spearman, 1);
  assert.equal(meanError, 0.625);
  assert.equal(meanDifference, 0.125);
});

test('one score throughout has no correlation, and missing scores no agreement', () => {
  assert.equal(agreementOf([1, 2, 3], [5, 5, 5]).spearman, null);
  assert.throws(() => agreementOf([1, 2], [1]), /expected as many scores as gold ones/);
  assert.throws(() => agreementOf([], []), RangeError);
});
