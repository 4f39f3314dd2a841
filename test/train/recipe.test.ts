import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { loadRecipe, recipeNames, resolveRecipe, rowFor } from '#dist/train/recipe.js';
import { recipeJsonSchema } from '#dist/train/recipe_schema.js';
import type { RowName, Settings } from '#dist/train/recipe_schema.js';
import { temporaryFolder } from '../temporary_folder.js';

const minilm = { modelType: 'bert', hiddenSize: 384 } as const;
const models = {
  'bert-base': { modelType: 'bert', hiddenSize: 768 },
  'bert-large': { modelType: 'bert', hiddenSize: 1024 },
  'roberta-base': { modelType: 'roberta', hiddenSize: 768 },
  'roberta-large': { modelType: 'roberta', hiddenSize: 1024 },
} as const;

async function settingsOf(name: string, row: RowName, variant?: string): Promise<Settings> {
  const resolved = await resolveRecipe(await loadRecipe(name), { model: models[row], variant });
  return resolved.settings;
}

test('every recipe of the issue is there, whole for every backbone, each value with a source', async () => {
  const names = await recipeNames();
  assert.deepEqual(names, [
    'distil-small',
    'multicsr',
    'promcse-sup',
    'promcse-unsup',
    'simcse-sup',
    'simcse-unsup',
    'simgpt-promcse',
    'simgpt-simcse',
    'syncse-partial',
    'syncse-scratch',
  ]);
  for (const name of names) {
    const recipe = await loadRecipe(name);
    for (const model of [minilm, ...Object.values(models)]) {
      for (const variant of [undefined, ...Object.keys(recipe.variants)]) {
        await resolveRecipe(recipe, { model, variant });
      }
    }
    const own = [recipe.settings, ...Object.values(recipe.rows)].flatMap(Object.keys);
    for (const setting of own) {
      assert.ok(recipe.sources[setting], `${name}: ${setting} has no source`);
    }
    for (const [variant, { settings, rows }] of Object.entries(recipe.variants)) {
      for (const setting of [settings, ...Object.values(rows)].flatMap(Object.keys)) {
        assert.ok(recipe.sources[`${variant}.${setting}`], `${name}: ${variant}.${setting}`);
      }
    }
  }
});

// METHODS 2, table: batch, learning rate, epochs.
const simcse: readonly [string, RowName, number, number, number, string][] = [
  ['simcse-unsup', 'bert-base', 64, 3e-5, 1, 'none'],
  ['simcse-unsup', 'bert-large', 64, 1e-5, 1, 'none'],
  ['simcse-unsup', 'roberta-base', 512, 1e-5, 1, 'none'],
  ['simcse-unsup', 'roberta-large', 512, 3e-5, 1, 'none'],
  ['simcse-sup', 'bert-base', 512, 5e-5, 3, 'mlp'],
  ['simcse-sup', 'roberta-base', 512, 5e-5, 3, 'mlp'],
  ['simcse-sup', 'bert-large', 512, 1e-5, 3, 'mlp'],
  ['simcse-sup', 'roberta-large', 512, 1e-5, 3, 'mlp'],
  ['syncse-partial', 'roberta-base', 512, 5e-5, 3, 'mlp'],
  ['syncse-scratch', 'roberta-large', 512, 1e-5, 3, 'mlp'],
  ['multicsr', 'bert-base', 128, 5e-5, 3, 'none'],
  ['multicsr', 'roberta-large', 512, 1e-5, 3, 'none'],
  ['simgpt-simcse', 'roberta-large', 512, 1e-5, 3, 'mlp'],
];

test('batch, learning rate, epochs and head follow the tables', async () => {
  for (const [name, row, batch, rate, epochs, head] of simcse) {
    const found = await settingsOf(name, row);
    assert.deepEqual(
      [found.batchSize, found.learningRate, found.epochs, found.head.test, found.head.train],
      [batch, rate, epochs, head, 'mlp'],
      `${name} ${row}`,
    );
    assert.equal(found.maxTokens, 32);
    assert.deepEqual(found.trains, { kind: 'all' });
  }
});

// METHODS 3, table: batch, learning rate, prompt length, epochs, MLM.
const promcse: readonly [string, RowName, number, number, number, number, boolean][] = [
  ['promcse-unsup', 'bert-base', 256, 3e-2, 16, 1, false],
  ['promcse-unsup', 'bert-large', 256, 3e-2, 10, 1, false],
  ['promcse-unsup', 'roberta-base', 64, 3e-2, 14, 1, true],
  ['promcse-unsup', 'roberta-large', 64, 1e-2, 10, 1, true],
  ['promcse-sup', 'bert-base', 256, 1e-2, 12, 10, false],
  ['promcse-sup', 'bert-large', 256, 5e-3, 12, 10, false],
  ['promcse-sup', 'roberta-base', 512, 1e-2, 10, 10, false],
  ['promcse-sup', 'roberta-large', 512, 5e-3, 10, 10, false],
  ['simgpt-promcse', 'roberta-base', 512, 1e-2, 10, 10, false],
];

test('PromCSE: prompt length and MLM follow the table, the hinge is on for labelled data', async () => {
  for (const [name, row, batch, rate, length, epochs, mlm] of promcse) {
    const found = await settingsOf(name, row);
    assert.deepEqual(
      [found.batchSize, found.learningRate, found.epochs, found.mlm !== null],
      [batch, rate, epochs, mlm],
      `${name} ${row}`,
    );
    assert.deepEqual(found.trains, { kind: 'deepPrompt', length, reparameterized: false });
    const kinds = found.losses.map(({ weight, kind }) => [weight ?? 1, kind]);
    const hinge = name === 'promcse-unsup' ? [] : [[10, 'energyHinge']];
    assert.deepEqual(kinds, [[1, 'infoNce'], ...hinge]);
  }
});

test('released: the knobs of the published Sim-GPT runs', async () => {
  const base = await settingsOf('simgpt-simcse', 'roberta-base', 'released');
  assert.deepEqual(
    [base.epochs, base.seeds, base.mlm?.weight, base.mlm?.rate],
    [5, [32], 0.05, 0.1],
  );
  assert.equal(base.maxGradNorm, 4);
  const large = await settingsOf('simgpt-simcse', 'roberta-large', 'released');
  const [loss] = large.losses as [Settings['losses'][number]];
  assert.equal(loss.kind === 'infoNce' && loss.hardNegativeWeight, 0.8);
  const promcseLarge = await settingsOf('simgpt-promcse', 'roberta-large', 'released');
  assert.deepEqual(
    [promcseLarge.batchSize, promcseLarge.evaluateEvery, promcseLarge.losses[1]?.weight],
    [256, 25, 5.7],
  );
  const own = await settingsOf('simgpt-simcse', 'roberta-base');
  assert.equal(own.seeds.length, 5);
});

test('a size that no table has takes the common values; a row can be named', async () => {
  const recipe = await loadRecipe('promcse-unsup');
  assert.equal(rowFor(minilm), null);
  assert.equal((await resolveRecipe(recipe, { model: minilm })).row, null);
  const named = await resolveRecipe(recipe, { model: minilm, row: 'bert-large' });
  assert.deepEqual(
    [named.row, named.settings.trains],
    ['bert-large', { kind: 'deepPrompt', length: 10, reparameterized: false }],
  );
});

test("the caller's values win, and are named", async () => {
  const recipe = await loadRecipe('simcse-sup');
  const overrides = { batchSize: 7, seeds: [1, 2] };
  const resolved = await resolveRecipe(recipe, { model: models['bert-base'], overrides });
  assert.deepEqual([resolved.settings.batchSize, resolved.settings.seeds], [7, [1, 2]]);
  assert.deepEqual(resolved.overridden, ['batchSize', 'seeds']);
  await assert.rejects(
    resolveRecipe(recipe, { model: minilm, overrides: { learningRate: -1 } }),
    /^RangeError: expected settings that fit simcse-sup: field learningRate: expected at least 0 \(number\), received -1$/,
  );
  await assert.rejects(
    resolveRecipe(recipe, { model: minilm, variant: 'other' }),
    /^RangeError: expected a variant of simcse-sup out of released, received other$/,
  );
  await assert.rejects(
    loadRecipe('simcse'),
    /^RangeError: expected a recipe out of distil-small, /,
  );
});

test("a user's file is checked, field by field", async (context) => {
  const path = join(await temporaryFolder(context), 'mine.json');
  const mine = {
    formatVersion: 1,
    name: 'mine',
    summary: 'Mine',
    origin: 'here',
    extends: 'simcse-sup',
    settings: { epochs: 2 },
    sources: {},
  };
  await writeFile(path, JSON.stringify(mine));
  const resolved = await resolveRecipe(await loadRecipe(path), { model: minilm });
  assert.deepEqual([resolved.settings.epochs, resolved.settings.batchSize], [2, 512]);
  await writeFile(path, JSON.stringify({ ...mine, settings: { epochs: 0 } }));
  await assert.rejects(loadRecipe(path), /mine\.json: field settings\.epochs: expected at least 1/);
  await writeFile(path, JSON.stringify({ ...mine, settings: { epoch: 1 } }));
  await assert.rejects(
    loadRecipe(path),
    /field settings: expected no other fields, received "epoch"/,
  );
});

test('the JSON schema names the fields', () => {
  const schema = recipeJsonSchema() as { properties: Record<string, unknown>; required: string[] };
  assert.ok('settings' in schema.properties && 'variants' in schema.properties);
  assert.ok(schema.required.includes('name') && !schema.required.includes('variants'));
});

test('LoRA has rank 16 and twice the rank as alpha where they are not given', async () => {
  const recipe = await loadRecipe('simcse-sup');
  for (const [given, expected] of [
    [{}, { rank: 16, alpha: 32 }],
    [{ rank: 4 }, { rank: 4, alpha: 8 }],
    [{ alpha: 5 }, { rank: 16, alpha: 5 }],
    [
      { rank: 2, alpha: 1 },
      { rank: 2, alpha: 1 },
    ],
  ] as const) {
    const overrides = { trains: { kind: 'lora', ...given } } as const;
    const { settings } = await resolveRecipe(recipe, { model: minilm, overrides });
    assert.deepEqual(settings.trains, { kind: 'lora', ...expected });
  }
  const overrides = { trains: { kind: 'lora', rank: 0 } } as const;
  await assert.rejects(
    resolveRecipe(recipe, { model: minilm, overrides }),
    /^RangeError: .*field trains.rank: expected at least 1 \(number\), received 0/,
  );
});
