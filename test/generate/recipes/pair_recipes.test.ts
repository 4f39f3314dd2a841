import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { exampleSchema } from '#dist/generate/example.js';
import type { RecipeOptions } from '#dist/generate/recipes/options.js';
import { recipeByName } from '#dist/generate/recipes/registry.js';
import { loadTemplates } from '#dist/generate/template.js';
import { exampleRows, runRecipe } from './run_recipe.js';
import type { Script } from './run_recipe.js';

let templates: RecipeOptions['templates'];
before(async () => {
  templates = await loadTemplates();
});

const recipe = (name: string, settings: Record<string, string> = {}) =>
  recipeByName(name, { templates, settings });

const triple = {
  anchor: 'A dog sleeps.',
  positive: 'A dog is asleep.',
  hardNegatives: ['A dog barks.'],
  instruction: 'Match.',
  task: 'dogs',
};

/** Answers by the sentence that is compared with the anchor. */
const gradesOf =
  (grades: Readonly<Record<string, string>>): Script =>
  ({ inputs }) =>
    grades[inputs['second'] ?? inputs['candidate']!]!;

test('grade writes both scores into triples one already has, and keeps their other fields', async () => {
  const script = gradesOf({ 'A dog is asleep.': '4.5', 'A dog barks.': '1' });
  const made = await runRecipe(recipe('grade'), exampleRows([triple]), script);
  assert.deepEqual(made.calls, ['r1/grade-positive', 'r1/grade-negative-0']);
  const [row] = made.rows;
  assert.deepEqual(exampleSchema.parse(row), row);
  const { positiveScore, negativeScore, instruction, task } = row!;
  assert.deepEqual([positiveScore, negativeScore, instruction, task], [4.5, 1, 'Match.', 'dogs']);
});

test('grade swaps roles by the pre-filter, or leaves them where it is off', async () => {
  const script = gradesOf({ 'A dog is asleep.': '1', 'A dog barks.': '4' });
  const [swapped] = (await runRecipe(recipe('grade'), exampleRows([triple]), script)).rows;
  assert.equal(swapped!.positive, 'A dog barks.');
  assert.deepEqual(swapped!.hardNegatives, ['A dog is asleep.']);
  assert.deepEqual([swapped!.positiveScore, swapped!.negativeScore], [4, 1]);
  const off = recipe('grade', { preFilter: 'off' });
  const [left] = (await runRecipe(off, exampleRows([triple]), script)).rows;
  assert.equal(left!.positive, 'A dog is asleep.');
  assert.deepEqual([left!.positiveScore, left!.negativeScore], [1, 4]);
});

test('of several hard negatives the one with the highest grade decides', async () => {
  const many = { ...triple, hardNegatives: ['A dog barks.', 'A hound naps.', 'Rain.'] };
  const script = gradesOf({
    'A dog is asleep.': '2',
    'A dog barks.': '1',
    'A hound naps.': '4',
    'Rain.': '0',
  });
  const [row] = (await runRecipe(recipe('grade'), exampleRows([many]), script)).rows;
  assert.equal(row!.positive, 'A hound naps.');
  assert.deepEqual(row!.hardNegatives, ['A dog barks.', 'A dog is asleep.', 'Rain.']);
  assert.deepEqual([row!.positiveScore, row!.negativeScore], [4, 2]);
});

test('the lineage of a generated triple stays in front of its grades', async () => {
  const hash = 'a'.repeat(64);
  const provenance = [
    { template: { id: 'old', version: 1, hash }, model: 'm', decoding: {}, seed: 1, sourceId: 'x' },
  ];
  const script = gradesOf({ 'A dog is asleep.': '4.5', 'A dog barks.': '1' });
  const made = await runRecipe(recipe('grade'), exampleRows([{ ...triple, provenance }]), script);
  assert.deepEqual(
    made.rows[0]!.provenance.map(({ template }) => template.id),
    ['old', 'multicsr-grade', 'multicsr-grade'],
  );
});

test('a pair without a hard negative cannot be graded as a triple', async () => {
  for (const name of ['grade', 'judge']) {
    const rows = exampleRows([{ ...triple, hardNegatives: [] }]);
    const made = await runRecipe(recipe(name), rows, () => '5');
    assert.deepEqual([made.calls.length, made.drops[0]?.reason], [0, 'missingField']);
  }
});

test('label scores pairs by grade or by verdict, equal texts too', async () => {
  const pairs = exampleRows([triple, { anchor: 'Same.', positive: 'Same.' }]);
  const graded = await runRecipe(recipe('label'), pairs, (_, unit) =>
    unit.id === 'r1' ? '3.5' : '5',
  );
  assert.deepEqual(
    graded.rows.map(({ positiveScore, hardNegatives }) => [positiveScore, hardNegatives]),
    [
      [3.5, []],
      [5, []],
    ],
  );
  const judged = await runRecipe(recipe('label', { as: 'verdict' }), pairs, (_, unit) =>
    unit.id === 'r1' ? 'Dissimilar.' : 'similar',
  );
  assert.deepEqual(
    judged.rows.map(({ positiveScore }) => positiveScore),
    [0, 5],
  );
  const unsure = await runRecipe(recipe('label', { as: 'verdict' }), pairs, () => 'perhaps');
  assert.deepEqual(
    unsure.drops.map(({ reason }) => reason),
    ['unparsable', 'unparsable'],
  );
});

const mined = {
  anchor: 'how to boil eggs',
  positive: 'Eggs need eight minutes.',
  hardNegatives: ['Boil eggs for eight minutes.', 'Eggs keep for weeks.', 'Tin melts.'],
};

const verdicts = gradesOf({
  'Boil eggs for eight minutes.': 'relevant',
  'Eggs keep for weeks.': 'partial',
  'Tin melts.': 'irrelevant',
});

test('judge drops mined negatives that are relevant, partial ones too unless kept', async () => {
  const made = await runRecipe(recipe('judge'), exampleRows([mined]), verdicts);
  assert.deepEqual(
    made.rows.map(({ hardNegatives }) => hardNegatives),
    [['Tin melts.']],
  );
  assert.deepEqual(
    made.drops.map(({ call, reason }) => [call, reason]),
    [
      ['judge-0', 'grade'],
      ['judge-1', 'grade'],
    ],
  );
  const kept = await runRecipe(
    recipe('judge', { partial: 'keep' }),
    exampleRows([mined]),
    verdicts,
  );
  assert.deepEqual(kept.rows[0]!.hardNegatives, ['Eggs keep for weeks.', 'Tin melts.']);
});

test('judge promotes a relevant negative to the positive of a row of its own', async () => {
  const promote = recipe('judge', { relevant: 'promote' });
  const made = await runRecipe(promote, exampleRows([mined]), verdicts);
  assert.deepEqual(
    made.rows.map(({ id, positive, hardNegatives }) => [id, positive, hardNegatives]),
    [
      ['r1', 'Eggs need eight minutes.', ['Tin melts.']],
      ['r1-promoted-0', 'Boil eggs for eight minutes.', ['Tin melts.']],
    ],
  );
  // What became a positive is no drop; the partly relevant one is.
  assert.deepEqual(
    made.drops.map(({ call }) => call),
    ['judge-1'],
  );
});

test('a row whose negatives are all dropped stays a pair', async () => {
  const made = await runRecipe(recipe('judge'), exampleRows([mined]), () => 'relevant');
  assert.deepEqual(
    made.rows.map(({ hardNegatives }) => hardNegatives),
    [[]],
  );
  assert.equal(made.drops.length, 3);
});
