import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { loadRecipe, resolveRecipe } from '#dist/train/recipe.js';
import { summarizeSeeds } from '#dist/train/seeds.js';
import { seedsReport } from '#dist/train/seeds_page.js';
import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import { goldenModel } from '../cli/golden_model.js';
import { temporaryFolder } from '../temporary_folder.js';

const dev = [0.5, 0.62, 0.7];
const average = [70, 71, 75];

test('the page of several seeds: mean, sd, least and largest of each score, each run linked', async (context) => {
  const folder = await temporaryFolder(context);
  const runs = dev.map((score, i) => ({
    seed: 10 + i,
    steps: 40,
    selected: { step: 10 * i, score },
    testScore: average[i]! / 100,
    folder: join(folder, `seed-${10 + i}`),
  }));
  for (const [i, run] of runs.entries()) {
    await mkdir(run.folder);
    const tasks = (less: number) => [{ name: 'sts12', spearman: average[i]! - less }];
    const evaluation = {
      dev: [{ name: 'pairs<b>', before: { spearman: 0.48 }, after: { spearman: dev[i] } }],
      test: {
        average: average[i],
        tasks: tasks(2),
        compare: { average: 66.125, tasks: [{ name: 'sts12', spearman: 60.5 }] },
      },
    };
    await writeFile(join(run.folder, 'evaluation.json'), JSON.stringify(evaluation));
  }
  const checkpoint = await readCheckpoint(goldenModel, { pooling: 'mean' });
  const model = checkpoint.config;
  const recipe = await resolveRecipe(await loadRecipe('simcse-sup'), { model });
  const page = await seedsReport({ recipe, checkpoint }, runs, summarizeSeeds(runs));
  const row = (name: string, ...numbers: readonly string[]): string =>
    `<tr><td>${name}</td>${numbers.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`;
  for (const expected of [
    row('dev: pairs&lt;b&gt;', '60.67', '10.07', '50.00', '70.00', '48.00'),
    row('test: STS12', '70.00', '2.65', '68.00', '73.00', '60.50'),
    row('test: average', '72.00', '2.65', '70.00', '75.00', '66.13'),
    row('steps', '40.00', '0.00', '40.00', '40.00', ''),
    row('11', '40', '10', '62.00', '71.00'),
  ]) {
    assert.ok(page.includes(expected), `${expected} in ${page}`);
  }
  for (const { seed } of runs) assert.ok(page.includes(`href="seed-${seed}/report.html"`));
  assert.ok(!page.includes(folder), 'no path of this machine is written down');
});
