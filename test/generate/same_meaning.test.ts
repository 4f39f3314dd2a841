import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Example } from '#dist/generate/example.js';
import {
  rowsOfSameMeaning,
  textsNearlyEqual,
  textsOfSameMeaning,
} from '#dist/generate/same_meaning.js';

/** Texts that name the same animal mean the same. */
const animals = ['cat', 'dog', 'owl'];
let embedded = 0;
const embed = async (texts: readonly string[]) => {
  embedded += texts.length;
  const embeddings = new Float32Array(texts.length * animals.length);
  for (const [line, text] of texts.entries()) {
    for (const [at, animal] of animals.entries()) {
      embeddings[line * animals.length + at] = text.includes(animal) ? 1 : 0.01;
    }
  }
  return { embeddings, dimensions: animals.length };
};

function row(id: string, anchor: string): Example {
  return { id, anchor, positive: 'p', hardNegatives: [], provenance: [] };
}

test('texts are found that mean what an earlier one means, and embedded once', async () => {
  const find = textsOfSameMeaning(embed, 0.95);
  const texts = ['a cat', 'a dog', 'the old cat', 'an owl', 'my dog'];
  assert.deepEqual([...(await find(texts))], [2, 4]);
  assert.deepEqual([...(await find([...texts]))], [2, 4]);
  assert.equal(embedded, texts.length);
  assert.deepEqual([...(await find([]))], []);
});

test('texts are found that are nearly equal to an earlier one', async () => {
  const find = textsNearlyEqual(0.8);
  const text = 'Given a question, find the passage that answers it best';
  assert.deepEqual([...(await find([text, `${text}.`, 'Sort these by date.']))], [1]);
});

test('rows are dropped by the meaning of their anchors, across groups of rows', async () => {
  const { look, check } = rowsOfSameMeaning(embed, 0.95);
  const seen: (string | undefined)[] = [];
  for (const group of [[row('1', 'a cat'), row('2', 'a dog')], [], [row('3', 'that cat')]]) {
    await look!(group);
    for (const one of group) seen.push((await check(one))?.detail);
  }
  assert.deepEqual(seen.slice(0, 2), [undefined, undefined]);
  assert.match(seen[2] ?? '', /received cosine 1\.000 to 1$/);
});
