import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { exampleSchema } from '#dist/generate/example.js';
import type { RecipeOptions } from '#dist/generate/recipes/options.js';
import { drawCharacters } from '#dist/generate/recipes/qwen3.js';
import { recipeByName } from '#dist/generate/recipes/registry.js';
import { apportion } from '#dist/generate/recipes/unit_counts.js';
import { renderCall } from '#dist/generate/slots.js';
import { loadTemplates } from '#dist/generate/template.js';
import { runRecipe, textRows } from './run_recipe.js';
import type { Made, Script } from './run_recipe.js';

let templates: RecipeOptions['templates'];
before(async () => {
  templates = await loadTemplates();
});

const e5 = (settings: Record<string, string>, more: Partial<RecipeOptions> = {}) =>
  recipeByName('e5', { templates, settings, ...more });

/** Fields of the template, each with a text that names the unit. */
const writeFields: Script = ({ template }, unit) => {
  const { output } = template;
  if (output.kind !== 'jsonObject') return JSON.stringify([`Find ${unit.id}.`, 'Find the same.']);
  return JSON.stringify(Object.fromEntries(output.fields.map((f) => [f, `${f} of ${unit.id}`])));
};

const byGroup = ({ rows }: Made) => {
  const counts = new Map<string, number>();
  for (const { task } of rows) counts.set(task!, (counts.get(task!) ?? 0) + 1);
  return Object.fromEntries(counts);
};

test('the six groups of E5 come in their published proportion', async () => {
  const made = await runRecipe(e5({ examples: '507' }), [], writeFields);
  assert.deepEqual(byGroup(made), {
    'short-long': 167,
    'long-short': 122,
    'short-short': 13,
    'long-long': 17,
    sts: 99,
    bitext: 89,
  });
  for (const row of made.rows) assert.deepEqual(exampleSchema.parse(row), row);
  // The mined groups have no hard negative yet, and only direct ones carry fixed instructions.
  const negatives = (task: string) => made.rows.find((row) => row.task === task)!.hardNegatives;
  assert.deepEqual(
    ['short-short', 'long-long', 'sts'].map(negatives).map((l) => l.length),
    [0, 0, 1],
  );
});

test('an example says its task as the instruction, or the fixed sentence of its group', async () => {
  const made = await runRecipe(e5({ examples: '60' }), [], writeFields);
  const of = (task: string) => made.rows.find((row) => row.task === task)!;
  assert.equal(of('short-long').instruction, 'Find short-long-0.');
  assert.equal(of('short-long').source, 'e5-short-long');
  assert.deepEqual(
    of('short-long').provenance.map(({ template }) => template.id),
    ['e5-brainstorm-short-long', 'e5-write-short-long'],
  );
  assert.equal(of('sts').instruction, templates.get('e5-sts')!.instruction);
  assert.equal(of('bitext').instruction, templates.get('e5-bitext')!.instruction);
  assert.notEqual(of('sts').instruction, of('bitext').instruction);
  const { positiveScore, negativeScore } = of('bitext');
  assert.ok([4, 4.5, 5].includes(positiveScore!) && [1.5, 2, 2.5].includes(negativeScore!));
});

test('the task bank holds a task once; repeated ones are counted and not written for', async () => {
  const made = await runRecipe(
    e5({ examples: '90', groups: 'short-short', examplesPerTask: '1' }),
    [],
    writeFields,
  );
  // Five calls of 20 tasks: each gives one of its own and one that all of them give.
  assert.equal(made.before.get('brainstorm')!.length, 10);
  const used = new Set(made.rows.map(({ instruction }) => instruction));
  assert.equal(used.size, 6);
  assert.equal(made.rows.length, 90);
  assert.deepEqual(
    made.drops.map(({ id, reason }) => `${id} ${reason}`),
    [1, 2, 3, 4].map((call) => `short-short-${call}-01 duplicate`),
  );
});

test('tasks of nearly the same meaning leave the bank, each group on its own', async () => {
  const seen: string[][] = [];
  const recipe = e5(
    { examples: '40', groups: 'short-long,long-short' },
    {
      nearDuplicates: (texts) => {
        seen.push([...texts]);
        return new Set([1]);
      },
    },
  );
  const made = await runRecipe(recipe, [], writeFields);
  assert.equal(seen.length, 2);
  assert.ok(made.rows.every(({ instruction }) => instruction !== 'Find the same.'));
  assert.equal(made.drops.filter(({ reason }) => reason === 'duplicate').length, 2);
});

test('a group whose brainstorm failed is left out, the others are whole', async () => {
  const made = await runRecipe(
    e5({ examples: '20', groups: 'short-short,sts' }),
    [],
    (call, unit, slots) =>
      call.name === 'brainstorm' ? 'no list' : writeFields(call, unit, slots),
  );
  assert.deepEqual(Object.keys(byGroup(made)), ['sts']);
  assert.deepEqual(
    made.drops.map(({ reason }) => reason),
    ['unparsable'],
  );
});

test('slot weights and languages are settings of E5', async () => {
  const languagesOf = async (settings: Record<string, string>) => {
    const seen = new Map<string, number>();
    await runRecipe(
      e5({ examples: '400', groups: 'sts', ...settings }),
      [],
      (call, unit, slots) => {
        const language = slots.get('language')!;
        seen.set(language, (seen.get(language) ?? 0) + 1);
        return writeFields(call, unit, slots);
      },
    );
    return seen;
  };
  assert.ok(
    (await languagesOf({})).get('English') === undefined ||
      (await languagesOf({})).get('English')! < 20,
  );
  const skewed = await languagesOf({ slotWeights: 'skewed' });
  assert.ok(skewed.get('English')! > 120, String(skewed.get('English')));
  const two = await languagesOf({ languages: 'German, Dutch', slotWeights: 'skewed' });
  assert.deepEqual([...two.keys()].sort(), ['Dutch', 'German']);
  assert.throws(() => e5({ groups: 'bitext', languages: 'German' }), /two languages or more/);
});

test('guidelines come in their own order, or shuffled per call where that is asked for', async () => {
  const ordersOf = async (settings: Record<string, string>) => {
    const orders = new Set<string>();
    await runRecipe(
      e5({ examples: '60', groups: 'long-long', ...settings }),
      [],
      (call, unit, slots) => {
        if (call.name === 'write') {
          const { messages } = renderCall(call.template, call.inputs, {
            seed: 1,
            exampleId: unit.id,
          });
          const lines = messages[0]!.text.split('\n').filter((line) => /^- [A-Z]/.test(line));
          assert.equal(lines.length, 4);
          orders.add(lines.map((line) => line.slice(0, 14)).join());
        }
        return writeFields(call, unit, slots);
      },
    );
    return orders.size;
  };
  assert.equal(await ordersOf({}), 1);
  assert.ok((await ordersOf({ shuffleGuidelines: 'on' })) > 10);
});

test('an apportionment adds up, and no part is off by one or more', () => {
  for (const total of [0, 1, 7, 100, 999]) {
    const weights = [167, 122, 13, 17, 99, 89];
    const counts = apportion(total, weights);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      total,
    );
    for (const [i, count] of counts.entries()) {
      assert.ok(Math.abs(count - (total * weights[i]!) / 507) < 1);
    }
  }
});

const personas = ['A pilot', 'A midwife', 'A judge', 'A gardener', 'A drummer', 'A tax adviser'];
const passages = textRows(['Bees dance to tell where flowers are.', 'Steel rusts in salt water.']);

const qwen3 = (settings: Record<string, string> = {}, more: Partial<RecipeOptions> = {}) =>
  recipeByName('qwen3', { templates, settings, personas, ...more });

/** Chooses the given character, or the last one offered. */
const configured =
  (type: string, difficulty: string, character?: string): Script =>
  ({ name, inputs }) =>
    name === 'configure'
      ? JSON.stringify({
          character: character ?? inputs['characters']!.split('\n').at(-1),
          type,
          difficulty,
        })
      : JSON.stringify({ query: `${inputs['character']} asks about ${inputs['passage']}` });

test('Qwen3 chooses one of five characters, then has the query written', async () => {
  const made = await runRecipe(qwen3({ language: 'Dutch' }), passages, (call, unit, slots) => {
    if (call.name === 'configure') {
      const offered = call.inputs['characters']!.split('\n');
      assert.equal(new Set(offered).size, 5);
      assert.ok(offered.every((character) => personas.includes(character)));
    } else {
      assert.equal(call.inputs['language'], 'Dutch');
    }
    return configured('Summary', 'phd')(call, unit, slots);
  });
  const [row] = made.rows;
  assert.match(row!.anchor, /^A .* asks about Bees dance/);
  assert.equal(row!.positive, 'Bees dance to tell where flowers are.');
  assert.deepEqual([row!.hardNegatives, row!.task], [[], 'summary-phd']);
  assert.equal(row!.provenance.length, 2);
});

test('a type, difficulty or character that was not offered is refused before the second call', async () => {
  const cases = [
    configured('riddle', 'phd'),
    configured('summary', 'kindergarten'),
    configured('summary', 'phd', 'A wizard'),
  ];
  for (const script of cases) {
    const made = await runRecipe(qwen3(), passages.slice(0, 1), script);
    assert.deepEqual(made.calls, ['r1/configure']);
    assert.deepEqual([made.drops[0]?.reason, made.drops[0]?.call], ['unparsable', 'configure']);
  }
});

test('characters are drawn by the id of the passage alone, or found by the caller', async () => {
  assert.deepEqual(drawCharacters('x', personas, 'id'), drawCharacters('y', personas, 'id'));
  const draws = Array.from({ length: 50 }, (_, i) => drawCharacters('', personas, `r${i}`).join());
  assert.ok(new Set(draws).size > 25);
  const found = qwen3(
    { characters: 'nearest' },
    { findCharacters: () => ['A', 'B', 'C', 'D', 'E'] },
  );
  await runRecipe(found, passages.slice(0, 1), (call, unit, slots) => {
    if (call.name === 'configure') assert.equal(call.inputs['characters'], 'A\nB\nC\nD\nE');
    return configured('keywords', 'high_school')(call, unit, slots);
  });
  assert.throws(() => qwen3({ characters: 'nearest' }), /expected an encoder \(--model\)/);
  assert.throws(() => qwen3({}, { personas: ['A'] }), /expected 5 personas or more/);
});

test('e5 drops near rows and refusals, or what the paper drops alone', () => {
  const [ours, released] = [e5({}), e5({ filters: 'released' })];
  assert.deepEqual(
    [ours.filters, released.filters],
    [{ nearDuplicates: 0.8 }, { refusals: false }],
  );
  assert.deepEqual(
    [ours.settings['filters'], released.settings['filters']],
    ['default', 'released'],
  );
});
