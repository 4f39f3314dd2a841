import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { comparableText, createMinHash, jaccard } from '#dist/dataset/minhash.js';
import { createNearDuplicateIndex, nearDuplicates } from '#dist/dataset/near_duplicates.js';
import { fillPhilox } from '#dist/random/philox.js';

const words =
  'the a harbour ferry leaves twice each day from old stone pier with mail bread and salt'.split(
    ' ',
  );

/** A text of `count` words that (seed, draw) decide. */
function textOf(draw: number, count: number): string[] {
  const drawn = new Uint32Array(count);
  fillPhilox(drawn, { seed: 4, stream: 0, draw });
  return Array.from(drawn, (word) => words[word % words.length]! + ((word >>> 8) % 50));
}

test('Jaccard similarity is that of the sets of 5-grams', () => {
  // abcde bcdef cdefg, cdefg defgh: one of four.
  assert.equal(jaccard('abcdefg', 'cdefgh', 5), 1 / 4);
  assert.equal(jaccard('aaaaaaaa', 'aaaaa', 5), 1);
  assert.equal(jaccard('abc', 'abc', 5), 1);
  assert.equal(jaccard('abc', 'abcd', 5), 0);
  assert.equal(jaccard('', '', 5), 0);
  assert.equal(comparableText(' A\tb\u00a0C\n'), 'abc');
});

test('a signature estimates the similarity without bias', () => {
  const { grams, signature } = createMinHash();
  let error = 0;
  const trials = 200;
  for (let draw = 0; draw < trials; draw++) {
    const a = textOf(draw, 12);
    const b = [...a.slice(0, 12 - (draw % 6)), ...textOf(draw + 1000, draw % 6)];
    const [left, right] = [a.join(''), b.join('')];
    const [first, second] = [signature(grams(left)), signature(grams(right))];
    const equal = first.filter((value, i) => value === second[i]).length / first.length;
    error += equal - jaccard(left, right, 5);
  }
  // sd of one estimate is at most 0.045, of the mean 0.0032.
  assert.ok(Math.abs(error / trials) < 0.013, String(error / trials));
});

test('every pair at or above the threshold is found, and none below: against all pairs', () => {
  const texts: string[] = [];
  for (let draw = 0; draw < 120; draw++) {
    const base = textOf(draw, 8 + (draw % 9));
    texts.push(base.join(' '));
    texts.push([...base.slice(0, -1), ...textOf(draw + 5000, 1)].join(' ').toUpperCase());
    texts.push([...base.slice(0, -2), ...textOf(draw + 9000, 2)].join('  '));
  }
  const index = createNearDuplicateIndex();
  texts.forEach((text) => index.add(text));
  let pairs = 0;
  for (const text of texts) {
    const own = comparableText(text);
    const expected = texts
      .map((other, i) => ({ index: i, similarity: jaccard(own, comparableText(other), 5) }))
      .filter(({ similarity }) => similarity >= 0.8)
      .sort((a, b) => b.similarity - a.similarity || a.index - b.index);
    assert.deepEqual(index.matches(text), expected);
    pairs += expected.length;
  }
  assert.ok(pairs > texts.length + 80, String(pairs));
  assert.equal(index.capped(), 0);
});

test('similarity at the threshold counts, just below does not', () => {
  // 10 grams against 8 of them: exactly 0.8.
  const index = createNearDuplicateIndex({ threshold: 0.8 });
  index.add('abcdefghijklmn');
  assert.deepEqual(index.matches('abcdefghijkl'), [{ index: 0, similarity: 0.8 }]);
  assert.deepEqual(createNearDuplicateIndex({ threshold: 0.81 }).matches('abcdefghijkl'), []);
  const strict = createNearDuplicateIndex({ threshold: 1 });
  strict.add('One  two');
  assert.deepEqual(strict.matches('oneTWO'), [{ index: 0, similarity: 1 }]);
  assert.deepEqual(strict.matches('onetwo!'), []);
});

test('the first of its kind is kept, and texts are compared with kept ones alone', () => {
  const [a, b, c] = [
    'abcdefghijklmnopqrstuvwxyz',
    'abcdefghijklmnopqrstuvw',
    'abcdefghijklmnopqrst',
  ];
  assert.ok(jaccard(a, b, 5) >= 0.8 && jaccard(b, c, 5) >= 0.8 && jaccard(a, c, 5) < 0.8);
  const { duplicateOf, similarity } = nearDuplicates([a, '', b, c, ' ', b.toUpperCase()]);
  // The last is as near to the third kept text as 16 of 19 grams, to the first as 19 of 22.
  assert.deepEqual([...duplicateOf], [-1, -1, 0, -1, -1, 0]);
  assert.equal(similarity[2], 19 / 22);
});

test('any texts: the outcome is that of comparing each with every kept one', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', ' ', '😀', 'İ', '\ud800'),
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 40 }), (texts) => {
      const kept: string[] = [];
      const flags = texts.map((own) => {
        const comparable = comparableText(own);
        const near = kept.some((other) => jaccard(comparable, other, 5) >= 0.8);
        if (!near) kept.push(comparable);
        return near;
      });
      const { duplicateOf } = nearDuplicates(texts);
      // Within 25 bands a pair at 0.8 is missed once in 20,000; these seeds miss none.
      assert.deepEqual(
        Array.from(duplicateOf, (index) => index >= 0),
        flags,
      );
    }),
    { numRuns: 500, seed: 3 },
  );
});

test('20,000 texts made from one phrase are bounded work, and what was left out is counted', () => {
  const index = createNearDuplicateIndex();
  const phrase = 'what is the name of the capital city of the small country called ';
  for (let i = 0; i < 20_000; i++) {
    index.add(phrase + textOf(i, 3).join(' '));
  }
  index.matches(`${phrase} somewhere else entirely`);
  assert.ok(index.capped() <= 1);
  assert.equal(index.size(), 20_000);
});

test('options out of range are refused', () => {
  for (const threshold of [0, -1, 1.01, NaN]) {
    assert.throws(() => createNearDuplicateIndex({ threshold }), /expected threshold > 0 and <= 1/);
  }
  assert.throws(() => createNearDuplicateIndex({ ngram: 0 }), /expected ngram/);
});
