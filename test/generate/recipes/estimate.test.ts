import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { estimateRun } from '#dist/generate/estimate.js';
import { textInput } from '#dist/generate/input_rows.js';
import { recipeByName } from '#dist/generate/recipes/registry.js';
import type { GenerationPlan } from '#dist/generate/run_records.js';
import { loadTemplates } from '#dist/generate/template.js';
import type { Template } from '#dist/generate/template.js';
import { temporaryFolder } from '../../temporary_folder.js';

let templates: ReadonlyMap<string, Template>;
before(async () => {
  templates = await loadTemplates();
});

const personas = ['A pilot', 'A midwife', 'A judge', 'A gardener', 'A drummer'];

// Settings, rows, calls: all the calls of a run whose every answer can be used.
const runs: Readonly<
  Record<string, readonly [Record<string, string>, rows: number, calls: number]>
> = {
  simgpt: [{}, 3, 3],
  'syncse-partial': [{}, 3, 6],
  'syncse-scratch': [{ anchors: '60' }, 60, 3 + 2 * 60],
  multicsr: [{}, 3, 4 * 3],
  qwen3: [{}, 3, 2 * 3],
};

test('a dry run counts the calls of every stage', async (t) => {
  const path = join(await temporaryFolder(t), 'texts.txt');
  await writeFile(path, 'One dog.\nTwo cats.\nThree birds.\n');
  for (const [name, [settings, rows, calls]] of Object.entries(runs)) {
    const recipe = recipeByName(name, { templates, settings, personas });
    const input = recipe.input === 'none' ? undefined : await textInput(path, { format: 'txt' });
    const plan = { limit: null } as GenerationPlan;
    const estimate = await estimateRun({ recipe, input, plan }, { model: 'm', seed: 1 });
    assert.deepEqual([estimate.units, estimate.calls], [rows, calls], name);
  }
});

test('the dry run of E5 counts a brainstorm per 20 tasks and a call per example', async () => {
  const settings = { examples: '507', examplesPerTask: '1' };
  const recipe = recipeByName('e5', { templates, settings });
  const plan = { limit: null } as GenerationPlan;
  const estimate = await estimateRun({ recipe, plan }, { model: 'm', seed: 1 });
  const brainstorms = [167, 122, 13, 17].reduce((sum, n) => sum + Math.ceil(n / 20), 0);
  assert.equal(estimate.calls, 507 + brainstorms);
});
