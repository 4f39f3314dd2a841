import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Example } from '#dist/generate/example.js';
import { likenessOf } from '#dist/generate/likeness.js';
import {
  nearestPersonas,
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

test('the personas nearest to a passage are offered, in order, each passage asked for once', async () => {
  const asked: string[] = [];
  // One axis each for bees, ships and law; the passage is about the first two.
  const axes = ['bee', 'ship', 'law'];
  const find = nearestPersonas(async (texts) => {
    asked.push(...texts);
    const rows = texts.flatMap((text) => axes.map((word) => (text.includes(word) ? 1 : 0)));
    return { embeddings: Float32Array.from(rows), dimensions: 3 };
  }, 2);
  const personas = ['a law clerk', 'a ship cook', 'a bee keeper', 'a ship captain with bees'];
  const first = await find('bees on a ship', personas, 'r1');
  assert.deepEqual(first, ['a ship captain with bees', 'a ship cook']);
  assert.deepEqual(await find('bees on a ship', personas, 'r1'), first);
  assert.deepEqual(asked, [...personas, 'bees on a ship']);
});

test('E5 thins out its tasks by meaning, other recipes and its released filters do not', async () => {
  const tasks = [
    'Find a recipe for a given dish.',
    'Find a recipe for the given dish.',
    'Retrieve court decisions that cite a statute.',
  ];
  await using likeness = await likenessOf('e5', {});
  assert.deepEqual([...(await likeness.nearDuplicates!(tasks))], [1]);
  assert.deepEqual(likeness.filters(), []);

  const released = { set: { filters: 'released' } };
  for (const [recipe, settings] of [['e5', released] as const, ['simgpt', {}] as const]) {
    await using none = await likenessOf(recipe, settings);
    assert.equal(none.nearDuplicates, undefined);
  }
});
