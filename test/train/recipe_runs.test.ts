import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { train } from '#dist/train/train.js';
import { temporaryFolder } from '../temporary_folder.js';
import { allRecipeForms } from './recipe_forms.js';
import type { RecipeForm } from './recipe_forms.js';
import { randomModel, writeTrainingScene } from './training_scene.js';

/** What a run computes, whatever its sizes and rates. */
function kindOf({ settings: s, recipe, variant }: RecipeForm): string {
  const form = [s.trains, s.losses, s.mlm, s.head, s.pooling, s.reference, s.data];
  return JSON.stringify([recipe, variant, ...form]);
}

/** Those that train something else. */
async function allRuns(): Promise<readonly RecipeForm[]> {
  const forms = await allRecipeForms();
  return [...new Map(forms.map((form) => [kindOf(form), form])).values()];
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
