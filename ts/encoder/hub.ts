import { basename, join, resolve } from 'node:path';

import { SimgptError } from '../errors.js';
import { deepPromptFile, readCheckpoint } from './checkpoint.js';
import { converterCommand } from './converter.js';
import { findInFolder, isFolder } from './folder.js';
import {
  cachedCommit,
  checkRevision,
  isKnownAbsent,
  isRepoName,
  snapshotFolder,
} from './hub_cache.js';
import type { Repo } from './hub_cache.js';
import { openSnapshot } from './hub_download.js';
import type { DownloadProgress, RemoteSnapshot } from './hub_download.js';
import { readHubSettings } from './hub_settings.js';
import { joinName, readModuleList, transformerSettings } from './modules.js';
import type { ModuleEntry } from './modules.js';
import { shippedModelFolder, shippedModelName } from './shipped_model.js';
import { readShardNames } from './weight_files.js';

export type { DownloadProgress } from './hub_download.js';

export interface ResolveOptions {
  /** Branch, tag or commit; default 'main'. */
  readonly revision?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Default: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
  readonly cacheDir?: string | undefined;
  /** Look in the cache alone, as with HF_HUB_OFFLINE. */
  readonly offline?: boolean | undefined;
}

/** A model folder on this machine and where it came from. */
export interface ResolvedModel {
  readonly dir: string;
  readonly id: string;
  /** The commit, for a model of the hub. */
  readonly revision: string | null;
}

const modelFiles = ['modules.json', 'config_sentence_transformers.json', 'simgpt.json'];
const transformerFiles = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  ...transformerSettings,
  // Before the weights, which are fetched last: a snapshot that has those has it too.
  deepPromptFile,
];

async function fetchWeights(snapshot: RemoteSnapshot, folder: string): Promise<void> {
  const single = joinName(folder, 'model.safetensors');
  const index = joinName(folder, 'model.safetensors.index.json');
  if (snapshot.names.has(single)) return snapshot.fetch(single);
  if (!snapshot.names.has(index)) {
    const others = [...snapshot.names].filter((name) => /\.(bin|pt|pth|ckpt|h5)$/.test(name));
    throw new SimgptError(
      'unsupported',
      `${single}: expected safetensors weights in the repository, received ` +
        `${others[0] ?? 'none'}; ${converterCommand()} turns a folder of PyTorch files into safetensors`,
    );
  }
  await snapshot.fetch(index);
  for (const name of await readShardNames(join(snapshot.dir, index))) {
    await snapshot.fetch(joinName(folder, name));
  }
}

async function fetchModule(snapshot: RemoteSnapshot, entry: ModuleEntry): Promise<void> {
  const config = joinName(entry.path, 'config.json');
  if (snapshot.names.has(config)) await snapshot.fetch(config);
  if (entry.kind === 'dense') await fetchWeights(snapshot, entry.path);
}

/** Fetches only what {@link readCheckpoint} reads; module folders come from `modules.json`. */
async function fetchModel(snapshot: RemoteSnapshot): Promise<void> {
  for (const name of modelFiles) {
    await (snapshot.names.has(name) ? snapshot.fetch(name) : snapshot.noteAbsent(name));
  }
  const entries = (await readModuleList(snapshot.dir)) ?? [];
  const folder = entries[0]?.path ?? '';
  for (const name of transformerFiles) {
    const path = joinName(folder, name);
    if (snapshot.names.has(path)) await snapshot.fetch(path);
  }
  for (const entry of entries.slice(1)) await fetchModule(snapshot, entry);
  await fetchWeights(snapshot, folder);
  await snapshot.finish();
}

/** Whether a cached snapshot has every file that reading it needs. */
async function isComplete(
  cacheDir: string,
  repo: Repo,
  commit: string,
  offline: boolean,
): Promise<boolean> {
  const dir = snapshotFolder(cacheDir, repo, commit);
  // Without modules.json the folder would read as a plain one: it must be known to have none.
  const modulesKnown =
    (await findInFolder(dir, 'modules.json')) !== undefined ||
    (await isKnownAbsent(cacheDir, repo, commit, 'modules.json'));
  if (!modulesKnown && !offline) return false;
  try {
    await readCheckpoint(dir, { pooling: 'cls' });
    return true;
  } catch (error) {
    // Any other fault of the folder is the reader's to report.
    return !(error instanceof SimgptError && error.code === 'fileNotFound');
  }
}

function looksLikePath(text: string): boolean {
  return /^([./~\\]|[A-Za-z]:[\\/])/.test(text) || text.includes('\\') || text.endsWith('/');
}

/**
 * Finds a model: an existing folder, else `simgpt-small`, which comes with the package, else the hub's
 * cache, else a download into that cache (the one Python uses; files are verified by hash, resumed,
 * and shared between processes by a lock).
 * Throws RangeError for what is neither a folder nor a hub id, SimgptError `fileNotFound`,
 * `offline`, `downloadFailed`, `toolMissing` or `cancelled` otherwise.
 */
export async function resolveModel(
  pathOrId: string,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  if (pathOrId === '' || pathOrId.includes('\0')) {
    throw new RangeError('expected a model folder or hub id, received an empty or unusable name');
  }
  if (await isFolder(pathOrId)) {
    return { dir: resolve(pathOrId), id: basename(resolve(pathOrId)), revision: null };
  }
  if (pathOrId === shippedModelName) {
    return { dir: shippedModelFolder, id: shippedModelName, revision: null };
  }
  if (looksLikePath(pathOrId)) {
    throw new SimgptError('fileNotFound', `${pathOrId}: expected a model folder; there is none`);
  }
  if (!isRepoName(pathOrId)) {
    throw new RangeError(
      `expected a model folder, or a hub id like namespace/name of letters, digits, '-', '_' ` +
        `and '.', received ${JSON.stringify(pathOrId.slice(0, 120))}`,
    );
  }
  const revision = checkRevision(options.revision ?? 'main');
  const stated = readHubSettings(process.env, options.cacheDir);
  const settings = { ...stated, offline: stated.offline || options.offline === true };
  const repo: Repo = { type: 'model', name: pathOrId };
  const cached = await cachedCommit(settings.cacheDir, repo, revision);
  if (
    cached !== undefined &&
    (await isComplete(settings.cacheDir, repo, cached, settings.offline))
  ) {
    const dir = snapshotFolder(settings.cacheDir, repo, cached);
    return { dir, id: pathOrId, revision: cached };
  }
  const snapshot = await openSnapshot(settings, repo, revision, options);
  await fetchModel(snapshot);
  return { dir: snapshot.dir, id: pathOrId, revision: snapshot.commit };
}
