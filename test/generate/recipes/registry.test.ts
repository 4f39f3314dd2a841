import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import type { RecipeOptions } from '#dist/generate/recipes/options.js';
import { recipeByName, recipeNames } from '#dist/generate/recipes/registry.js';
import type { CallAnswer, Recipe, RecipeStage, Unit } from '#dist/generate/recipe.js';
import { loadTemplates } from '#dist/generate/template.js';
import type { Template } from '#dist/generate/template.js';
import { exampleRows, runRecipe, textRows } from './run_recipe.js';
import type { Script } from './run_recipe.js';

let templates: ReadonlyMap<string, Template>;
before(async () => {
  templates = await loadTemplates();
});

const personas = ['A pilot', 'A midwife', 'A judge', 'A gardener', 'A drummer', 'A baker'];
const recipe = (
  name: string,
  settings: Record<string, string> = {},
  more: Partial<RecipeOptions> = {},
) => recipeByName(name, { templates, settings, personas, ...more });

/** Few units of each recipe. */
const small: Readonly<Record<string, Record<string, string>>> = {
  'syncse-scratch': { anchors: '60' },
  e5: { examples: '30' },
};

const inputs = (name: Recipe['input']) =>
  name === 'none'
    ? []
    : name === 'texts'
      ? textRows(['One dog.', 'Two cats.', 'Three birds.', 'Four fish.'])
      : exampleRows(
          [1, 2, 3, 4].map((n) => ({
            anchor: `a ${n}`,
            positive: `p ${n}`,
            hardNegatives: [`n ${n}`, `m ${n}`],
          })),
        );

/** Something usable or useless for any template, a function of the call alone. */
const anyAnswer =
  (salt: number): Script =>
  ({ template, name, inputs: given }, unit) => {
    const { output } = template;
    const turn = Array.from(`${salt}${unit.id}${name}`).reduce(
      (sum, c) => (sum * 31 + c.charCodeAt(0)) >>> 0,
      7,
    );
    if (turn % 11 === 0) return "I'm sorry, but I can't help with that.";
    const text = (field: string) => `${field} ${turn % 5} of ${unit.id}`;
    switch (output.kind) {
      case 'numberedLines':
        return output.fields.map((field, i) => `${i + 1}. ${text(field)}`).join('\n');
      case 'numberedList':
        return `1. ${text('x')}\n2. owls\n3. ${'w '.repeat(20 + (turn % 20))}`;
      case 'stringList':
        return JSON.stringify([text('task'), 'one for all']);
      case 'number':
        return (turn % 6).toFixed(1);
      case 'choice':
        return output.choices[turn % output.choices.length]!;
      case 'jsonObject':
        return JSON.stringify(
          Object.fromEntries(
            output.fields.map((field) => [
              field,
              output.choices?.[field]?.[turn % 3] ??
                (field === 'character' ? given['characters']!.split('\n')[turn % 5] : text(field)),
            ]),
          ),
        );
      default:
        return output.kind === 'quotedSentence' ? `"${text(name)}"` : text(name);
    }
  };

test('what a recipe makes of its answers does not depend on the order of the units', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...recipeNames),
      fc.nat(),
      fc.nat(),
      async (name, salt, shift) => {
        const made = recipe(name, small[name]);
        const script = anyAnswer(salt);
        const forward = await runRecipe(made, inputs(made.input), script);
        const turned = await runRecipe(made, inputs(made.input), script, {
          order: (units) => {
            const at = units.length === 0 ? 0 : shift % units.length;
            return [...units.slice(at), ...units.slice(0, at)].reverse();
          },
        });
        assert.deepEqual(turned.rows, forward.rows);
        const sorted = (list: typeof forward.drops) =>
          list.map((drop) => JSON.stringify(drop)).sort();
        assert.deepEqual(sorted(turned.drops), sorted(forward.drops));
        assert.deepEqual([...turned.calls].sort(), [...forward.calls].sort());
      },
    ),
    { numRuns: 120, seed: 20 },
  );
});

test('a stage is a pure function: the same question twice has one answer, and changes nothing', async () => {
  for (const name of recipeNames) {
    const made = recipe(name, small[name]);
    const asked: string[] = [];
    const pure = <Row>(stage: RecipeStage<Row>): RecipeStage<Row> => ({
      ...stage,
      next: (unit: Unit, answers: ReadonlyMap<string, CallAnswer>) => {
        const frozen = Object.freeze({ ...unit, inputs: Object.freeze({ ...unit.inputs }) });
        const first = stage.next(frozen, answers);
        const reversed = new Map([...answers].reverse());
        assert.deepEqual(stage.next(frozen, reversed), first, name);
        asked.push(unit.id);
        return first;
      },
    });
    const watched: Recipe = { ...made, before: made.before.map(pure), last: pure(made.last) };
    await runRecipe(watched, inputs(made.input), anyAnswer(3));
    assert.ok(asked.length > 0, name);
  }
});

test('a call is asked for once, and never again when it has its answer', async () => {
  for (const name of recipeNames) {
    const made = recipe(name, small[name]);
    const { calls } = await runRecipe(made, inputs(made.input), anyAnswer(5));
    assert.equal(new Set(calls).size, calls.length, name);
    assert.ok(calls.length > 0, name);
  }
});

test('every recipe says all its settings, and refuses others with what it accepts', () => {
  assert.deepEqual(Object.keys(recipe('multicsr').settings), ['rule', 'alpha', 'beta', 'gamma']);
  const wrong: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    [
      'simgpt',
      { kind: 'poems' },
      /setting kind of simgpt to be captions or questions or sentences, received "poems"/,
    ],
    ['simgpt', { colour: 'red' }, /expected settings of simgpt among kind, shots, received colour/],
    [
      'multicsr',
      { alpha: '6' },
      /setting alpha of multicsr to be a number from 0 to 5, received "6"/,
    ],
    ['e5', { groups: 'sts,poems' }, /setting groups of e5 to be names out of short-long, /],
    ['e5', { examples: '1.5' }, /setting examples of e5 to be an integer from 1 to /],
    ['e5', { slotWeights: 'odd' }, /uniform or skewed, received "odd"/],
  ];
  for (const [name, settings, message] of wrong) {
    assert.throws(() => recipe(name, settings), { name: 'RangeError', message });
  }
  assert.throws(() => recipe('poem'), /expected a recipe out of simgpt, .*received poem/);
});

test('a template of the user that cannot stand in is refused before anything is bought', () => {
  const change = (id: string, fields: Partial<Template>): ReadonlyMap<string, Template> =>
    new Map([
      ...templates,
      [id, { ...templates.get(id)!, ...fields, path: 'mine.json' } as Template],
    ]);
  const cases: readonly (readonly [string, ReadonlyMap<string, Template>, RegExp])[] = [
    [
      'syncse-partial',
      change('syncse-negative', { example: undefined }),
      /mine\.json: field example: expected a text for hardNegatives/,
    ],
    [
      'grade',
      change('multicsr-grade', { output: { kind: 'sentence', field: 'grade' } }),
      /field output\.kind: expected number/,
    ],
    [
      'grade',
      change('multicsr-grade', { slots: {} }),
      /field slots: expected the input slots first, second, received nothing/,
    ],
    [
      'judge',
      change('judge-negative', {
        output: { kind: 'choice', field: 'verdict', choices: ['yes', 'no'] },
      }),
      /output\.choices: expected relevant, partial, irrelevant, received yes, no/,
    ],
    [
      'qwen3',
      change('qwen3-configure', { output: { kind: 'jsonObject', fields: ['character'] } }),
      /field output: expected a field type/,
    ],
  ];
  for (const [name, changed, message] of cases) {
    assert.throws(() => recipe(name, {}, { templates: changed }), { code: 'fileInvalid', message });
  }
});
