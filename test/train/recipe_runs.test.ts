import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { loadRecipe, recipeNames, resolveRecipe } from '#dist/train/recipe.js';
import type { RowName, Settings } from '#dist/train/recipe_schema.js';
import { train } from '#dist/train/train.js';
import { temporaryFolder } from '../temporary_folder.js';
import { randomModel, writeTrainingScene } from './training_scene.js';

interface Run {
  readonly recipe: string;
  readonly variant: string | undefined;
  readonly row: RowName | undefined;
  readonly settings: Settings;
}

/** What a run computes, whatever its sizes and rates. */
function kindOf({ settings: s, recipe, variant }: Run): string {
  const form = [s.trains, s.losses, s.mlm, s.head, s.pooling, s.reference, s.data];
  return JSON.stringify([recipe, variant, ...form]);
}

/** Every recipe, every variant and each of their rows that trains something else. */
async function allRuns(): Promise<readonly Run[]> {
  const runs: Run[] = [];
  for (const recipe of await recipeNames()) {
    const file = await loadRecipe(recipe);
    for (const variant of [undefined, ...Object.keys(file.variants)]) {
      const rows = variant === undefined ? file.rows : file.variants[variant]!.rows;
      for (const row of [undefined, ...(Object.keys(rows) as RowName[])]) {
        const model = { modelType: 'bert', hiddenSize: 16 } as const;
        const { settings } = await resolveRecipe(file, { model, variant, row });
        runs.push({ recipe, variant, row, settings });
      }
    }
  }
  return [...new Map(runs.map((run) => [kindOf(run), run])).values()];
}

test('every recipe and every variant of it trains, as it stands', async (context) => {
  const folder = await temporaryFolder(context);
  const { data: triples } = await writeTrainingScene(folder);
  const sentences = join(folder, 'sentences.txt');
  const lines = ['a man plays', 'the woman', 'one game', 'two games', 'a long text', 'the word'];
  await writeFile(sentences, `${lines.join('\n')}\n`);
  const model = await randomModel(folder);
  const runs = await allRuns();
  const released = runs.filter(({ variant }) => variant === 'released');
  assert.ok(new Set(released.map(({ recipe }) => recipe)).size >= 6);
  for (const [place, { recipe, variant, row, settings }] of runs.entries()) {
    const name = [recipe, variant, row].filter(Boolean).join(' ');
    const { steps } = (
      await train({
        recipe,
        variant,
        row,
        model,
        reference: settings.reference === null ? undefined : model,
        data: settings.data === 'sentences' ? sentences : triples,
        maxSteps: 2,
        threads: 1,
        output: join(folder, `run-${place}`),
        // Sizes of a model this small; the seeds are tried alike.
        settings: {
          batchSize: 3,
          seeds: [42],
          ...(settings.schedule.warmupSteps > 0 && {
            schedule: { ...settings.schedule, warmupSteps: 1 },
          }),
          ...(settings.teacher !== null && { teacher: { ...settings.teacher, layers: [1] } }),
        },
      })
    ).runs[0]!;
    assert.equal(steps, 2, name);
  }
});
