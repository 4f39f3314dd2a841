// T1: a training run of the tiny BERT, killed at file operations and run again.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { repoRoot } from '../shared_data.js';
import { equalFiles } from '../train/linear_run.js';
import { tinyTraining } from '../train/training_scene.js';
import { sweepKills } from './kill_sweep.js';
import type { SoakGround } from './rows.js';
import type { SoakResult } from './soak_result.js';

/**
 * Weights, moments, counters, metrics and the selected model must be those of the run that nothing
 * disturbed, and no other file may be left over.
 */
export async function trainingKills(
  ground: SoakGround & { readonly count?: number; readonly errno?: number },
): Promise<SoakResult> {
  const inputs = join(ground.root, 'inputs');
  await mkdir(inputs, { recursive: true });
  const { to } = await tinyTraining(inputs);
  const runs = join(ground.root, 'runs');
  let whole: ReadonlyMap<string, string> | undefined;
  return sweepKills(
    {
      args: (folder) => [join(repoRoot, 'bin/simgpt.mjs'), ...to(folder)],
      code: 0,
      files: ['metrics.jsonl', 'done.json', 'model/model.safetensors'],
      check: async (folder) => {
        whole ??= await equalFiles(join(runs, 'calm'));
        const found = await equalFiles(folder);
        const names = new Set([...whole.keys(), ...found.keys()]);
        return [...names]
          .filter((name) => whole?.get(name) !== found.get(name))
          .map((name) => `${name} differs`);
      },
    },
    { ...ground, root: runs },
  );
}
