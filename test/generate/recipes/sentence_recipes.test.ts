import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { exampleSchema } from '#dist/generate/example.js';
import { recipeByName } from '#dist/generate/recipes/registry.js';
import type { RecipeOptions } from '#dist/generate/recipes/options.js';
import { loadTemplates } from '#dist/generate/template.js';
import { runRecipe, textRows } from './run_recipe.js';
import type { Script } from './run_recipe.js';

let templates: RecipeOptions['templates'];
before(async () => {
  templates = await loadTemplates();
});

const recipe = (name: string, settings: Record<string, string> = {}) =>
  recipeByName(name, { templates, settings });

const input = textRows(['The dog sleeps.', 'A ship sails.']);

test('Sim-GPT makes one call of its source kind and one example per sentence', async () => {
  for (const kind of ['captions', 'questions', 'sentences']) {
    const made = await runRecipe(recipe('simgpt', { kind }), input, ({ template }, unit) => {
      assert.equal(template.id, `simgpt-${kind}`);
      return `1. ${unit.id} alike.\n2. ${unit.id} other.`;
    });
    assert.deepEqual(made.calls, ['r1/write', 'r2/write']);
    assert.deepEqual(made.drops, []);
    const [first] = made.rows;
    assert.deepEqual(exampleSchema.parse(first), first);
    assert.equal(first!.anchor, 'The dog sleeps.');
    assert.equal(first!.positive, 'r1 alike.');
    assert.deepEqual(first!.hardNegatives, ['r1 other.']);
    assert.equal(first!.provenance[0]!.template.id, `simgpt-${kind}`);
  }
});

test('an answer that is no example is dropped by its reason', async () => {
  const reasons: Readonly<Record<string, string>> = {
    'no lines': 'unparsable',
    '1. Only one.': 'missingField',
    "I'm sorry, but I can't assist with that.": 'refusal',
    '1. The dog  sleeps.\n2. Other.': 'copiesAnchor',
    '1. Same.\n2. same.': 'positiveEqualsNegative',
    '   ': 'empty',
  };
  for (const [text, reason] of Object.entries(reasons)) {
    const made = await runRecipe(recipe('simgpt'), input.slice(0, 1), () => text);
    assert.deepEqual([made.rows.length, made.drops[0]?.reason], [0, reason], text);
  }
});

test('the number of worked examples is a setting, and another number another template', async () => {
  const calls = new Set<string>();
  for (const shots of ['8', '3', '0']) {
    await runRecipe(recipe('simgpt', { shots }), input.slice(0, 1), ({ template }) => {
      calls.add(template.hash);
      assert.equal(template.examples?.count, Number(shots));
      return '1. A.\n2. B.';
    });
  }
  assert.equal(calls.size, 3);
  assert.throws(() => recipe('simgpt', { shots: '9' }), /expected at most the 8 worked examples/);
});

test('SynCSE joins a positive and a hard negative of two calls', async () => {
  const script: Script = ({ name }, unit) => `${unit.id} ${name}.`;
  const made = await runRecipe(recipe('syncse-partial'), input, script);
  assert.deepEqual(made.calls, ['r1/positive', 'r1/negative', 'r2/positive', 'r2/negative']);
  assert.equal(made.rows[1]!.positive, 'r2 positive.');
  assert.deepEqual(made.rows[1]!.hardNegatives, ['r2 negative.']);
  assert.deepEqual(
    made.rows[1]!.provenance.map(({ template }) => template.id),
    ['syncse-positive', 'syncse-negative'],
  );
});

test('two answers of SynCSE that agree make no example', async () => {
  const equal = await runRecipe(recipe('syncse-partial'), input.slice(0, 1), () => 'Same thing.');
  assert.equal(equal.drops[0]?.reason, 'positiveEqualsNegative');
  const copied = await runRecipe(recipe('syncse-partial'), input.slice(0, 1), ({ name }) =>
    name === 'negative' ? 'the dog sleeps.' : 'Fine.',
  );
  assert.equal(copied.drops[0]?.reason, 'copiesAnchor');
});

const words = (count: number) => Array.from({ length: count }, (_, index) => `w${index}`).join(' ');

test('SynCSE from nothing writes anchors, drops those over 32 words and repeated ones', async () => {
  const scratch = recipe('syncse-scratch', { anchors: '41' });
  const made = await runRecipe(scratch, [], ({ name }, unit) => {
    if (name !== 'anchors') return `${unit.id} ${name}.`;
    return unit.id === 'anchors-0'
      ? `1. ${words(32)}\n2. ${words(33)}\n3. Owls hunt.`
      : `1. owls  hunt.\n2. Line of ${unit.id}.\n3. line of ${unit.id}.`;
  });
  // 41 anchors at 20 a call.
  assert.deepEqual(
    made.calls.filter((call) => call.endsWith('/anchors')),
    ['anchors-0/anchors', 'anchors-1/anchors', 'anchors-2/anchors'],
  );
  assert.deepEqual(
    made.drops.map(({ id, reason }) => `${id} ${reason}`),
    [
      'anchors-0 tooLong',
      'anchors-1 duplicate',
      'anchors-2 duplicate',
      'anchors-1-00 duplicate',
      'anchors-2-00 duplicate',
    ],
  );
  assert.deepEqual(
    made.rows.map(({ id }) => id),
    ['anchors-0-00', 'anchors-0-02', 'anchors-1-01', 'anchors-2-01'],
  );
  // What was dropped is not paid for.
  assert.ok(!made.calls.some((call) => call.startsWith('anchors-1-00/')));
  assert.deepEqual(
    made.rows[0]!.provenance.map(({ template }) => template.id),
    ['syncse-anchor', 'syncse-positive', 'syncse-negative'],
  );
  assert.ok(made.before.get('anchors')![0]!.fields['genre']);
});

test('a share of the anchor calls asks for captions', async () => {
  const used = new Map<string, number>();
  const scratch = recipe('syncse-scratch', { anchors: '400', captions: '0.25' });
  await runRecipe(scratch, [], ({ name, template }, unit) => {
    if (name === 'anchors') used.set(template.id, (used.get(template.id) ?? 0) + 1);
    return name === 'anchors' ? `1. One of ${unit.id}.` : `${unit.id} ${name}`;
  });
  assert.deepEqual(Object.fromEntries(used), { 'syncse-anchor': 15, 'syncse-anchor-captions': 5 });
});

test('anchors that a near-duplicate finder names are dropped unpaid', async () => {
  const scratch = recipeByName('syncse-scratch', {
    templates,
    settings: { anchors: '20' },
    nearDuplicates: (texts) => new Set([texts.indexOf('Owls hunt at night.')]),
  });
  const made = await runRecipe(scratch, [], ({ name }, unit) =>
    name === 'anchors' ? '1. Owls hunt.\n2. Owls hunt at night.' : `${unit.id} ${name}`,
  );
  assert.deepEqual(
    made.drops.map(({ id, reason, detail }) => [id, reason, /nearly/.test(detail)]),
    [['anchors-0-01', 'duplicate', true]],
  );
});

/** Grades by pair, sentences by side. */
function graded(positive: string, negative: string): Script {
  return ({ name }) => {
    if (name === 'grade-positive') return positive;
    if (name === 'grade-negative') return negative;
    return `"A ${name} sentence."`;
  };
}

// [grade of the positive, of the negative, what becomes of the triple under rule none]
const preFiltered: readonly (readonly [string, string, 'keep' | 'swap' | 'drop'])[] = [
  ['5', '0', 'keep'],
  ['4.0', '4.0', 'keep'],
  ['5', '4.1', 'drop'],
  ['4.1', '4.2', 'drop'],
  ['2', '4.5', 'swap'],
  ['0', '5', 'swap'],
  ['3.9', '4', 'swap'],
  ['4.1', '4', 'keep'],
];

test('MultiCSR keeps, swaps or drops by both grades', async () => {
  for (const [positive, negative, verdict] of preFiltered) {
    const script = graded(positive, negative);
    const made = await runRecipe(recipe('multicsr', { rule: 'none' }), input.slice(0, 1), script);
    const where = `${positive} ${negative}`;
    if (verdict === 'drop') {
      assert.deepEqual([made.rows.length, made.drops[0]?.reason], [0, 'grade'], where);
      continue;
    }
    const swapped = verdict === 'swap';
    const [row] = made.rows;
    assert.equal(row!.positive, `A ${swapped ? 'negative' : 'positive'} sentence.`, where);
    assert.deepEqual(row!.hardNegatives, [`A ${swapped ? 'positive' : 'negative'} sentence.`]);
    assert.deepEqual(
      [row!.positiveScore, row!.negativeScore],
      swapped ? [Number(negative), Number(positive)] : [Number(positive), Number(negative)],
    );
    assert.equal(row!.provenance.length, 4);
  }
});

test('MultiCSR curates by the default rule, and by the released one where asked', async () => {
  const survivors = async (
    settings: Record<string, string>,
    positive: string,
    negative: string,
  ) => {
    const script = graded(positive, negative);
    return (await runRecipe(recipe('multicsr', settings), input, script)).rows.length;
  };
  assert.equal(await survivors({}, '4', '3'), 2);
  assert.equal(await survivors({}, '3.5', '3'), 0);
  assert.equal(await survivors({ rule: 'released' }, '3.5', '3'), 2);
  assert.equal(await survivors({ rule: 'released' }, '3', '3'), 0);
  assert.equal(await survivors({ rule: 'released-no-gap' }, '3', '3'), 2);
  assert.equal(await survivors({ alpha: '4.5' }, '4', '0'), 0);
  assert.equal(await survivors({ beta: '1', gamma: '0' }, '4', '1.5'), 0);
});

test('a grade that is none, and a triple that is none, are not paid for further', async () => {
  const word = await runRecipe(recipe('multicsr'), input.slice(0, 1), graded('high', '0'));
  assert.deepEqual([word.drops[0]?.reason, word.drops[0]?.call], ['unparsable', 'grade-positive']);
  const six = await runRecipe(recipe('multicsr'), input.slice(0, 1), graded('4', '6'));
  assert.deepEqual([six.drops[0]?.reason, six.drops[0]?.call], ['grade', 'grade-negative']);
  const equal = await runRecipe(recipe('multicsr'), input.slice(0, 1), () => '"Same."');
  assert.deepEqual(equal.calls, ['r1/positive', 'r1/negative']);
});
