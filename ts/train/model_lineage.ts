import { dirname, relative, sep } from 'node:path';

import { fingerprintFile } from '../dataset/input.js';
import { ownFileName, promptsFileName } from '../encoder/checkpoint.js';
import type { Checkpoint } from '../encoder/checkpoint.js';
import { findInFolder } from '../encoder/folder.js';
import { joinName, readModuleList, transformerSettings } from '../encoder/modules.js';
import type { FileFingerprint } from './checkpoints.js';

/** A model that a run's numbers come from, as its plan and its card tell it. */
export interface ModelLineage {
  readonly id: string;
  /** The commit it was downloaded from, where known. */
  readonly revision: string | null;
  readonly files: readonly ({ readonly name: string } & FileFingerprint)[];
}

/** Its name, and the files that its numbers come from; no path outside its folder. */
export async function lineageOf(
  checkpoint: Checkpoint,
  signal?: AbortSignal,
): Promise<ModelLineage> {
  const { id, revision, dir } = checkpoint;
  const paths = [...weightFiles(checkpoint), ...(await settingsFiles(checkpoint))];
  const files: ModelLineage['files'][number][] = [];
  for (const path of [...new Set(paths)].sort()) {
    files.push({ name: relative(dir, path), ...(await fingerprintFile(path, signal)) });
  }
  return { id, revision, files };
}

function weightFiles({ weights, dense, tokenizer, deepPrompt }: Checkpoint): readonly string[] {
  return [
    ...weights,
    ...dense.map((module) => module.weights),
    ...(deepPrompt === undefined ? [] : [deepPrompt.path]),
    ...(tokenizer.kind === 'tokenizerJson' ? [tokenizer.path] : [tokenizer.vocabPath]),
    ...(tokenizer.kind === 'byteLevelBpe' ? [tokenizer.mergesPath] : []),
  ];
}

/** Layers, dropout, pooling, lengths, prompts: every configuration file that a load reads. */
async function settingsFiles({ dir, weights }: Checkpoint): Promise<readonly string[]> {
  const [first] = weights;
  const folder = first === undefined ? '' : relative(dir, dirname(first)).split(sep).join('/');
  const modules = (await readModuleList(dir)) ?? [];
  const names = [
    'modules.json',
    ownFileName,
    promptsFileName,
    ...['config.json', 'tokenizer_config.json', ...transformerSettings].map((name) =>
      joinName(folder, name),
    ),
    ...modules.map(({ path }) => joinName(path, 'config.json')),
  ];
  const found = await Promise.all(names.map((name) => findInFolder(dir, name)));
  return found.filter((path) => path !== undefined);
}
