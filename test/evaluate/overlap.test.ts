import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readExamples } from '#dist/dataset/examples.js';
import type { TrainingExample } from '#dist/dataset/training_example.js';
import { createOverlapScanner, scanOverlap } from '#dist/evaluate/overlap.js';
import { loadOverlapSets } from '#dist/evaluate/overlap_sets.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { tableOf } from './sts_fixture.js';

const sets = [
  {
    name: 'one',
    texts: ['A man plays the guitar.', 'Two dogs run in the snow.', 'A man plays the guitar.'],
  },
  { name: 'two', texts: ['a man PLAYS the guitar.', 'Something else altogether', ' '] },
];

function row(
  id: string,
  anchor: string,
  positive = `nothing like it ${id}`,
  hardNegatives: string[] = [],
) {
  return { id, source: 'train', anchor, positive, hardNegatives };
}

test('equal but for case and white space is exact, 0.8 of the 5-grams is near, in any field', async () => {
  const report = await scanOverlap(
    [
      row('a', 'a man  plays\tthe GUITAR.'),
      row('b', 'unrelated', 'other', ['Two dogs run in the snow!!']),
      row('c', 'unrelated words', 'Two dogs run in the snow'),
      row('d', 'A man plays the piano.'),
      row('e', 'Two dogs run in the snow.', 'Two dogs run in the snow.'),
      row('f', ''),
    ],
    sets,
  );
  const { matches, ...counts } = report;
  assert.deepEqual(counts, {
    threshold: 0.8,
    ngram: 5,
    examples: 6,
    overlapping: 4,
    sets: [
      { name: 'one', texts: 2, exact: 2, near: 0, examples: 4 },
      { name: 'two', texts: 2, exact: 1, near: 0, examples: 1 },
    ],
    capped: 0,
    matchesTotal: 4,
  });
  assert.deepEqual(
    matches.map(({ id, field, kind, sets: names }) => [id, field, kind, names.join()]),
    [
      ['a', 'anchor', 'exact', 'one,two'],
      ['b', 'hardNegatives', 'near', 'one'],
      ['c', 'positive', 'near', 'one'],
      ['e', 'anchor', 'exact', 'one'],
    ],
  );
  // tworunin...: 20 letters, 16 grams; one letter less: 15 of them.
  assert.equal(matches[2]!.similarity, 15 / 16);
});

test('a row is checked alone, and the report names as many matches as asked', () => {
  const scanner = createOverlapScanner(sets, { keepMatches: 2 });
  assert.equal(scanner.check(row('a', 'fresh')).length, 0);
  for (let i = 0; i < 5; i++) {
    assert.equal(scanner.check(row(String(i), 'two dogs run in the snow.')).length, 1);
  }
  const report = scanner.report();
  assert.deepEqual([report.matches.length, report.matchesTotal, report.overlapping], [2, 5, 5]);
});

test('sets that are not there are named, and none at all is an error', async (context) => {
  const folder = await temporaryFolder(context);
  await assert.rejects(loadOverlapSets([folder]), { code: 'fileNotFound' });
  await writeFile(join(folder, 'sts16.tsv'), tableOf('sts16'));
  const found = await loadOverlapSets([folder]);
  assert.deepEqual(
    found.sets.map(({ name, texts }) => [name, texts.length]),
    [['sts16', 2 * 1186]],
  );
  assert.deepEqual(found.missing, [
    'sts12',
    'sts13',
    'sts14',
    'sts15',
    'stsb',
    'sickr',
    'stsb-dev',
  ]);
  await writeFile(join(folder, 'sts13.tsv'), tableOf('sts13', 3));
  await assert.rejects(loadOverlapSets([folder]), { code: 'dataInvalid' });
});

test(
  'the shared NLI triples overlap with the test sets as recorded',
  { skip: skipWithoutShared },
  async () => {
    const { sets: loaded, missing } = await loadOverlapSets([join(sharedDir!, 'data/sts')]);
    assert.deepEqual(missing, []);
    const report = await scanOverlap(nliTriples(), loaded);
    // [distinct texts, exact, near] as counted in Python by an inverted index over sets of 5-grams.
    const expected = {
      sts12: [4945, 48, 23],
      sts13: [2638, 0, 0],
      sts14: [6351, 0, 2],
      sts15: [5169, 62, 4],
      sts16: [1867, 0, 0],
      stsb: [2551, 34, 16],
      sickr: [6077, 20, 76],
      'stsb-dev': [2908, 38, 14],
    };
    const found = report.sets.map(({ name, texts, exact, near }) => [name, [texts, exact, near]]);
    assert.deepEqual(Object.fromEntries(found), expected);
  },
);

async function* nliTriples(): AsyncGenerator<TrainingExample> {
  const columns = { anchor: 'sentence1', hardNegatives: ['negative'] };
  for await (const example of readExamples(join(sharedDir!, 'data/pairs/nli_triplets.tsv'), {
    columns,
  })) {
    if (example.problem === undefined) {
      yield example;
    }
  }
}
