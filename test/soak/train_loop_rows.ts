// T3, T4, T7: what a training run keeps when it is copied, cut off or repeated.
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { openNewestCheckpoint } from '#dist/train/checkpoints.js';
import { isMissing } from '#dist/files/json.js';
import { trainWith } from '#dist/train/train.js';
import { linearModel, pairCount } from '../train/linear_model.js';
import { equalFiles, linearSteps, runLinear } from '../train/linear_run.js';
import { tinyTraining } from '../train/training_scene.js';
import type { SoakGround } from './rows.js';
import { sameFiles } from './signal_rows.js';
import { drawn } from './soak_result.js';
import type { SoakResult } from './soak_result.js';

type Ground = SoakGround & { readonly count: number };

/**
 * T3: the checkpoints' folder, copied file by file while the run goes on, holds one that loads. Two are
 * kept, so that it may end one checkpoint while the copy is made, but begin none.
 */
export async function copiedCheckpoints({ root, count, seed }: Ground): Promise<SoakResult> {
  const failures: string[] = [];
  let trials = 0;
  for (let round = 0; trials < count; ++round) {
    const path = join(root, `run${round}`);
    const state = { over: false, copied: Promise.resolve() };
    const run = runLinear(path, {
      checkpointEvery: 1,
      change: (model) => ({
        ...model,
        saveState: async (file) => {
          await state.copied;
          await model.saveState(file);
        },
      }),
    }).finally(() => {
      state.over = true;
    });
    while (!state.over && trials < count) {
      const known = await newestStep(join(path, 'checkpoints'));
      await new Promise((resolve) => setTimeout(resolve, drawn(seed, trials, 0, 3)));
      const copy = join(path, `copy${trials}`);
      state.copied = copyTree(join(path, 'checkpoints'), copy);
      await state.copied;
      const found = await openNewestCheckpoint(copy);
      if (found !== undefined) await linearModel(11).loadState(found.trainingPath);
      // The one before the newest may have gone meanwhile, but never both.
      if (known > 0 && !(found !== undefined && found.state.step >= known - 1)) {
        failures.push(`copy ${trials}: step ${found?.state.step ?? 'none'} after ${known}`);
      }
      trials += known > 0 ? 1 : 0;
    }
    await run;
  }
  return { trials, failures, notes: {} };
}

async function newestStep(folder: string): Promise<number> {
  const names = await readdir(folder).catch((): string[] => []);
  return Math.max(0, ...names.map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0)));
}

/** As a backup does it: what vanishes while it is read is not in the copy. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const entries = await readdir(from, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target);
    else {
      await copyFile(source, target).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    }
  }
}

/** T4: over starts that end anywhere, each example is trained on once an epoch. */
export async function seenExamples({ root, count, seed }: Ground): Promise<SoakResult> {
  const failures: string[] = [];
  let starts = 0;
  for (let trial = 0; trial < count; ++trial) {
    const path = join(root, `run${trial}`);
    const seen = new Map<number, string>();
    for (let done = false; !done; ++starts) {
      let left = drawn(seed, starts, 1, linearSteps);
      done = await runLinear(path, {
        change: (model) => ({
          ...model,
          accumulate: (batch) => {
            if (left-- === 0) return Promise.reject(new Error('gone'));
            const ids = batch.examples.map(({ id }) => id).join(' ');
            const before = seen.get(batch.step);
            if (before !== undefined && before !== ids)
              failures.push(`run ${trial}: ${before}, ${ids}`);
            seen.set(batch.step, ids);
            return model.accumulate(batch);
          },
        }),
      }).then(
        () => true,
        () => false,
      );
    }
    const stepsPerEpoch = Math.ceil(pairCount / 5);
    for (let epoch = 0; epoch * stepsPerEpoch < linearSteps; ++epoch) {
      const ids = Array.from({ length: stepsPerEpoch }, (_, i) =>
        seen.get(epoch * stepsPerEpoch + i),
      );
      const all = ids.join(' ').split(' ');
      if (all.length !== pairCount || new Set(all).size !== pairCount) {
        failures.push(`run ${trial}, epoch ${epoch}: ${all.length} examples`);
      }
    }
  }
  return { trials: count, failures, notes: { starts } };
}

/** T7: two runs of one seed, one thread and two, are the same bytes. */
export async function pairedRuns({ root, count }: Ground): Promise<SoakResult> {
  await mkdir(root, { recursive: true });
  const { options, model } = await tinyTraining(root);
  const { openNativeModel } = await import('#dist/train/native_model.js');
  const failures: string[] = [];
  for (let pair = 0; pair < count; ++pair) {
    const runs: ReadonlyMap<string, string>[] = [];
    for (const threads of [1, 2]) {
      const output = join(root, `pair${pair}-${threads}`);
      const settings = { ...options.settings, pooling: 'cls' as const, seeds: [pair] };
      await trainWith(openNativeModel, { ...options, model, output, settings, threads });
      runs.push(await equalFiles(output));
    }
    if (!sameFiles(runs[0]!, runs[1]!)) failures.push(`seed ${pair}: other files`);
  }
  return { trials: count, failures, notes: {} };
}
