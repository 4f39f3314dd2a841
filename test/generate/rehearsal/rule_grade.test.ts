import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { spearman } from '#dist/index.js';
import { formsOf } from '#dist/generate/rehearsal/inflect.js';
import { ruleGrade } from '#dist/generate/rehearsal/rule_grade.js';
import { readVocabulary } from '#dist/generate/rehearsal/vocabulary.js';
import type { Vocabulary } from '#dist/generate/rehearsal/vocabulary.js';
import { repoRoot } from '../../shared_data.js';

let vocabulary: Vocabulary;
before(async () => {
  vocabulary = await readVocabulary();
});

test('forms follow the rules of English, or are listed', () => {
  assert.deepEqual(formsOf('bakery', 'nouns'), ['bakery', 'bakeries']);
  assert.deepEqual(formsOf('glass', 'nouns'), ['glass', 'glasses']);
  assert.deepEqual(formsOf('boy', 'nouns'), ['boy', 'boys']);
  assert.deepEqual(formsOf('carry', 'verbs'), ['carry', 'carries', 'carried', 'carrying']);
  assert.deepEqual(formsOf('close', 'verbs'), ['close', 'closes', 'closed', 'closing']);
  assert.deepEqual(formsOf('see/sees/saw/seeing', 'verbs'), ['see', 'sees', 'saw', 'seeing']);
  assert.deepEqual(formsOf('red', 'words'), ['red']);
});

test('equal texts earn 5, texts without a common word 0, changed details less than neither', () => {
  const grade = (a: string, b: string) => ruleGrade(a, b, vocabulary);
  assert.equal(grade('A dog sleeps.', 'A dog sleeps.'), 5);
  assert.equal(grade('A dog sleeps.', 'Prices rose.'), 0);
  const changed = grade('A red dog sleeps by the river.', 'A blue dog sleeps by the river.');
  assert.ok(changed > 0 && changed < 4.5, String(changed));
  assert.ok(grade('The shop is open.', 'The shop is not open.') < 4.5);
});

test('grades by rule follow the graded pairs, roughly: a rehearsal, no judge', async () => {
  const lines = (await readFile(join(repoRoot, 'data/pairs.tsv'), 'utf8')).trim().split('\n');
  const rows = lines.slice(1).map((line) => line.split('\t'));
  const gold = Float64Array.from(rows, ([, , score]) => Number(score));
  const byRule = Float64Array.from(rows, ([, , , a, b]) => ruleGrade(a!, b!, vocabulary));
  assert.ok(spearman(gold, byRule) > 0.4, String(spearman(gold, byRule)));
});
