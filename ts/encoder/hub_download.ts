import type * as Hub from '@huggingface/hub';
import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { SimgptError } from '../errors.js';
import { acquireLock } from '../files/lock.js';
import { unsafePathReason } from './folder.js';
import {
  commitPattern,
  linkBlob,
  makeCacheFolder,
  noteAbsence,
  repoFolder,
  snapshotFolder,
  writeRef,
} from './hub_cache.js';
import type { Repo } from './hub_cache.js';
import { createHubFetch } from './hub_fetch.js';
import { readHubToken } from './hub_settings.js';
import type { HubSettings } from './hub_settings.js';
import { fetchBlob, isIntact } from './hub_transfer.js';
import type { RemoteFile, Transfer } from './hub_transfer.js';

type Fetch = typeof globalThis.fetch;
type HubLibrary = Pick<typeof Hub, 'datasetInfo' | 'downloadFile' | 'listFiles' | 'modelInfo'>;

/** How far a download is; a file already in the cache counts as received. */
export interface DownloadProgress {
  readonly file: string;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** A commit of a repository whose files can be fetched into the cache one by one. */
export interface RemoteSnapshot {
  readonly commit: string;
  readonly dir: string;
  /** Names in the listing that are safe as file names everywhere. */
  readonly names: ReadonlySet<string>;
  /** Fetches a file, verified, and links it into the snapshot. */
  readonly fetch: (name: string) => Promise<void>;
  /** Records, as Python does, that this commit has no such file. */
  readonly noteAbsent: (name: string) => Promise<void>;
  /** Records that the revision is this commit: last, when its files are there. */
  readonly finish: () => Promise<void>;
}

const idleMs = 30_000;
const mostListedFiles = 10_000;

async function loadLibrary(): Promise<HubLibrary> {
  try {
    return await import('@huggingface/hub');
  } catch (error) {
    throw new SimgptError(
      'toolMissing',
      'downloading needs the package @huggingface/hub: npm install @huggingface/hub@2.17.5',
      { cause: error },
    );
  }
}

function describeApiError(repo: Repo, revision: string, error: unknown): SimgptError {
  if (error instanceof SimgptError) return error;
  const status =
    error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
  const what = `${repo.name}@${revision}`;
  const reasons = new Map([
    [401, 'the hub answered 401: the id is wrong, or the repository is private: set HF_TOKEN'],
    [403, 'the hub answered 403: accept its terms on its page, then set HF_TOKEN'],
    [404, 'the hub answered 404: no such repository or revision'],
  ]);
  const cause = error instanceof Error ? error.cause : undefined;
  const detail = cause instanceof Error ? ` (${cause.message})` : '';
  const message = error instanceof Error ? error.message : String(error);
  const reason = reasons.get(status ?? 0) ?? `the hub could not be asked: ${message}${detail}`;
  return new SimgptError('downloadFailed', `${what}: ${reason}`, { cause: error });
}

/** A listing entry that can be fetched and checked, or undefined. */
function remoteFile(entry: {
  type: string;
  path: string;
  size: number;
  oid?: string;
  lfs?: { oid: string; size: number };
}): RemoteFile | undefined {
  const size = entry.lfs?.size ?? entry.size;
  if (entry.type !== 'file' || typeof entry.path !== 'string') return undefined;
  if (unsafePathReason(entry.path) !== undefined || /[#%]/.test(entry.path)) return undefined;
  if (!Number.isSafeInteger(size) || size < 0) return undefined;
  if (entry.lfs !== undefined) {
    return /^[0-9a-f]{64}$/.test(entry.lfs.oid)
      ? { path: entry.path, size, blob: entry.lfs.oid, algorithm: 'sha256' }
      : undefined;
  }
  return commitPattern.test(entry.oid ?? '')
    ? { path: entry.path, size, blob: entry.oid ?? '', algorithm: 'gitSha1' }
    : undefined;
}

async function* withIdleLimit(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { promise, reject } = deferredRejection();
      const timer = setTimeout(() => reject(new Error(`no byte came for ${idleMs} ms`)), idleMs);
      try {
        const { done, value } = await Promise.race([reader.read(), promise]);
        if (done) return;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

function deferredRejection(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<never>((_resolve, rejectPromise) => {
    reject = rejectPromise;
  });
  promise.catch(() => undefined);
  return { promise, reject };
}

interface Connection {
  readonly library: HubLibrary;
  readonly fetch: Fetch;
  readonly settings: HubSettings;
  readonly repo: Repo;
  readonly commit: string;
}

/** Asks for the file from `offset` on and notes whether the server obeyed. */
async function startTransfer(
  connection: Connection,
  file: RemoteFile,
  offset: number,
): Promise<Transfer> {
  const { library, settings, repo, commit } = connection;
  let restarted = false;
  const observed: Fetch = async (input, init) => {
    const response = await connection.fetch(input, init);
    const asked = new Headers(init?.headers).get('range');
    const range = response.headers.get('content-range') ?? '';
    const fromOffset = range.startsWith(`bytes ${offset}-`) && range.endsWith(`/${file.size}`);
    if (asked === `bytes=${offset}-${file.size - 1}`) {
      restarted = response.status === 200;
      if (response.ok && !restarted && !fromOffset) {
        throw new SimgptError(
          'downloadFailed',
          `${file.path}: expected bytes from ${offset} of ${file.size}, received ${range}`,
        );
      }
    }
    return response;
  };
  const blob = await library.downloadFile({
    repo,
    path: file.path,
    revision: commit,
    hubUrl: settings.endpoint,
    fetch: observed,
    xet: false,
  });
  if (blob === null || blob.size !== file.size) {
    throw new SimgptError(
      'downloadFailed',
      `${file.path}: expected ${file.size} bytes as listed, received ${blob?.size ?? 'no file'}`,
    );
  }
  const rest = blob.slice(offset).stream() as ReadableStream<Uint8Array>;
  return { restarted: () => restarted, chunks: withIdleLimit(rest) };
}

async function ensureBlob(
  connection: Connection,
  file: RemoteFile,
  options: DownloadOptions,
): Promise<void> {
  const { settings, repo } = connection;
  const path = join(repoFolder(settings.cacheDir, repo), 'blobs', file.blob);
  await makeCacheFolder(settings.cacheDir, dirname(path));
  const report = (receivedBytes: number): void =>
    options.onProgress?.({ file: file.path, receivedBytes, totalBytes: file.size });
  if (!(await isIntact(path, file))) {
    await using _lock = await acquireLock(`${path}.simgpt.lock`, {
      signal: options.signal,
      waitMs: 600_000,
    });
    // Another process may have fetched it while we waited.
    if (!(await isIntact(path, file))) {
      await fetchBlob(path, file, {
        signal: options.signal,
        onBytes: report,
        start: (offset) => startTransfer(connection, file, offset),
      });
    }
  }
  report(file.size);
}

async function listFiles(
  library: HubLibrary,
  fetch: Fetch,
  settings: HubSettings,
  repo: Repo,
  commit: string,
): Promise<ReadonlyMap<string, RemoteFile>> {
  const files = new Map<string, RemoteFile>();
  let listed = 0;
  const entries = library.listFiles({
    repo,
    revision: commit,
    recursive: true,
    hubUrl: settings.endpoint,
    fetch,
  });
  for await (const entry of entries) {
    listed += 1;
    if (listed > mostListedFiles) {
      throw new SimgptError(
        'downloadFailed',
        `${repo.name}: expected at most ${mostListedFiles} files in the repository`,
      );
    }
    const file = remoteFile(entry);
    if (file !== undefined) files.set(file.path, file);
  }
  return files;
}

async function findCommit(
  library: HubLibrary,
  fetch: Fetch,
  settings: HubSettings,
  repo: Repo,
  revision: string,
): Promise<string> {
  if (commitPattern.test(revision)) return revision;
  const query = {
    name: repo.name,
    revision,
    hubUrl: settings.endpoint,
    fetch,
    additionalFields: ['sha' as const],
  };
  const { sha } =
    repo.type === 'model' ? await library.modelInfo(query) : await library.datasetInfo(query);
  if (typeof sha !== 'string' || !commitPattern.test(sha)) {
    throw new SimgptError('downloadFailed', `${repo.name}: expected a commit of 40 hex digits`);
  }
  return sha;
}

/** Asks the hub for a revision's commit and files. Throws `offline` or `downloadFailed`. */
export async function openSnapshot(
  settings: HubSettings,
  repo: Repo,
  revision: string,
  options: DownloadOptions,
): Promise<RemoteSnapshot> {
  if (settings.offline) {
    throw new SimgptError(
      'offline',
      `${repo.name}@${revision}: not complete in the cache ${settings.cacheDir}, and ` +
        'HF_HUB_OFFLINE forbids downloading: unset it, or name a model folder',
    );
  }
  const library = await loadLibrary();
  const fetch = await createHubFetch({
    endpoint: settings.endpoint,
    token: await readHubToken(settings),
    signal: options.signal,
  });
  const { cacheDir } = settings;
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (options.signal?.aborted) {
        throw new SimgptError('cancelled', 'the download was cancelled', { cause: error });
      }
      throw describeApiError(repo, revision, error);
    }
  };
  const commit = await guarded(() => findCommit(library, fetch, settings, repo, revision));
  const files = await guarded(() => listFiles(library, fetch, settings, repo, commit));
  const connection: Connection = { library, fetch, settings, repo, commit };
  const dir = snapshotFolder(cacheDir, repo, commit);
  return {
    commit,
    dir,
    names: new Set(files.keys()),
    fetch: async (name) => {
      const file = files.get(name);
      if (file === undefined) {
        throw new SimgptError(
          'downloadFailed',
          `${repo.name}@${revision}: expected the file ${JSON.stringify(name)} in the repository`,
        );
      }
      await ensureBlob(connection, file, options);
      if (await isLinked(join(dir, name))) return;
      await linkBlob(cacheDir, repo, commit, name, file.blob);
    },
    noteAbsent: (name) => noteAbsence(cacheDir, repo, commit, name),
    finish: () => writeRef(cacheDir, repo, revision, commit),
  };
}

/** A plain file in the snapshot is what Python writes where links are not to be had. */
async function isLinked(path: string): Promise<boolean> {
  return lstat(path).then(
    (status) => status.isFile(),
    () => false,
  );
}
