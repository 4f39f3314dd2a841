import assert from 'node:assert/strict';
import test from 'node:test';

import { distinctNgrams, quantile, wordCounts, wordsOf } from '#dist/diversity/words.js';

test('words are runs of letters and digits in any script', () => {
  assert.deepEqual(wordsOf("The dog's 2 bones -- it’s fine!"), [
    'the',
    "dog's",
    '2',
    'bones',
    'it’s',
    'fine',
  ]);
  assert.deepEqual(wordsOf('Größe naïve'), ['größe', 'naïve']);
  assert.deepEqual(wordsOf('猫が好き abc'), ['猫', 'が', '好', 'き', 'abc']);
  assert.deepEqual(wordsOf(' ?! '), []);
  assert.deepEqual([...wordCounts(['a b', '', 'c'])], [2, 0, 1]);
});

test('distinct-n counts n-grams that differ, within texts and never over their ends', () => {
  // unigrams a b a b c: 3 of 5; bigrams ab ba | bc: 3 of 3.
  assert.deepEqual(distinctNgrams(['a b a', 'b c'], 1), {
    n: 1,
    distinct: 3,
    total: 5,
    share: 0.6,
  });
  assert.deepEqual(distinctNgrams(['a b a', 'b c'], 2), { n: 2, distinct: 3, total: 3, share: 1 });
  assert.deepEqual(distinctNgrams(['a b', 'A B'], 2), { n: 2, distinct: 1, total: 2, share: 0.5 });
  assert.deepEqual(distinctNgrams([], 2), { n: 2, distinct: 0, total: 0, share: 0 });
  assert.throws(() => distinctNgrams(['a'], 0), /expected n >= 1, received 0/);
});

test('quantiles lie between the values', () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([4, 1, 3, 2], 1), 4);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});
