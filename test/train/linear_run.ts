import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runLoop } from '#dist/train/loop.js';
import type { LoopOptions, LoopOutcome } from '#dist/train/loop.js';
import { openRunFolder } from '#dist/train/run_folder.js';
import { evaluatePairs, linearModel, pairBatches } from './linear_model.js';
import type { LinearModel } from './linear_model.js';

export type RunChanges = Partial<Omit<LoopOptions, 'folder' | 'model'>> & {
  readonly change?: (model: LinearModel) => LinearModel;
};

export const linearSteps = 60;

/** Trains the linear model in `path` with fresh objects, as one process would. */
export async function runLinear(path: string, changes: RunChanges = {}): Promise<LoopOutcome> {
  const { change = (model) => model, ...options } = changes;
  await using folder = await openRunFolder(path, { formatVersion: 1, recipe: 'linear' });
  return await runLoop({
    folder,
    model: change(linearModel(11)),
    batches: pairBatches(11),
    evaluate: evaluatePairs,
    totalSteps: linearSteps,
    learningRate: 0.02,
    schedule: { kind: 'linear', warmupSteps: 4 },
    maxGradNorm: 1,
    evaluateEvery: 9,
    checkpointEvery: 7,
    patience: null,
    ...options,
  });
}

/** Every file of a run that must be the same however often it was stopped, by name. */
export async function runFiles(path: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || ['timings.jsonl', 'lock'].includes(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    files.set(file.slice(path.length + 1), await readFile(file, 'latin1'));
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The files of a run but for its report, which shows how long the steps took. */
export async function equalFiles(path: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map(await runFiles(path));
  files.delete('report.html');
  return files;
}
