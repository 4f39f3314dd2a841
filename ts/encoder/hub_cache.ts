import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readFile, rename, symlink } from 'node:fs/promises';
import { dirname, join, posix, relative } from 'node:path';

import { SimgptError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { makeFolder } from '../files/folder.js';
import { errorCode, isMissing } from '../files/json.js';
import { isFolder } from './folder.js';

/** A repository of the hub; `name` is checked by {@link checkRepoName}. */
export interface Repo {
  readonly type: 'model' | 'dataset';
  readonly name: string;
}

export const commitPattern = /^[0-9a-f]{40}$/;

/** Whether the text has the form of a hub id: `name` or `namespace/name`. */
export function isRepoName(name: string): boolean {
  const part = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
  const parts = name.split('/');
  return (
    name.length <= 96 &&
    parts.length <= 2 &&
    parts.every((text) => part.test(text) && !/[.-]$/.test(text)) &&
    !name.includes('--') &&
    !name.includes('..') &&
    !name.endsWith('.git')
  );
}

/** Throws RangeError for a revision that is not a branch, tag, pull-request ref or commit. */
export function checkRevision(revision: string): string {
  const parts = revision.split('/');
  const safe = parts.every((part) => /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/.test(part));
  if (!safe || revision.includes('..') || revision.length > 255) {
    throw new RangeError(
      `expected revision to be a branch, tag or commit, received ${JSON.stringify(revision)}`,
    );
  }
  return revision;
}

/** The repository's folder in the cache, as Python names it. */
export function repoFolder(cacheDir: string, repo: Repo): string {
  return join(cacheDir, [`${repo.type}s`, ...repo.name.split('/')].join('--'));
}

export function snapshotFolder(cacheDir: string, repo: Repo, commit: string): string {
  return join(repoFolder(cacheDir, repo), 'snapshots', commit);
}

/** The commit that the cache knows for a revision, where its snapshot is there. */
export async function cachedCommit(
  cacheDir: string,
  repo: Repo,
  revision: string,
): Promise<string | undefined> {
  const commit = commitPattern.test(revision)
    ? revision
    : await readRef(join(repoFolder(cacheDir, repo), 'refs', revision));
  if (commit === undefined) return undefined;
  return (await isFolder(snapshotFolder(cacheDir, repo, commit))) ? commit : undefined;
}

async function readRef(path: string): Promise<string | undefined> {
  try {
    const text = (await readFile(path, 'latin1')).slice(0, 128).trim();
    return commitPattern.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Makes a folder below the cache; a planted link in its place is refused, never followed. */
export async function makeCacheFolder(cacheDir: string, path: string): Promise<void> {
  await makeFolder(cacheDir);
  const steps = relative(cacheDir, path).split(/[\\/]/);
  let folder = cacheDir;
  for (const step of steps) {
    folder = join(folder, step);
    await mkdir(folder).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    if (!(await lstat(folder)).isDirectory()) {
      throw new SimgptError('ioFailed', `${folder}: expected a folder, received a link or file`);
    }
  }
}

/** Records which commit a branch or tag is; written last, when its files are there. */
export async function writeRef(
  cacheDir: string,
  repo: Repo,
  revision: string,
  commit: string,
): Promise<void> {
  if (commitPattern.test(revision)) return;
  const path = join(repoFolder(cacheDir, repo), 'refs', revision);
  await makeCacheFolder(cacheDir, dirname(path));
  await writeFileAtomic(path, commit);
}

/** Where Python notes that a commit has no such file. */
function absencePath(cacheDir: string, repo: Repo, commit: string, name: string): string {
  return join(repoFolder(cacheDir, repo), '.no_exist', commit, name);
}

export async function isKnownAbsent(
  cacheDir: string,
  repo: Repo,
  commit: string,
  name: string,
): Promise<boolean> {
  return lstat(absencePath(cacheDir, repo, commit, name)).then(
    (status) => status.isFile(),
    () => false,
  );
}

export async function noteAbsence(
  cacheDir: string,
  repo: Repo,
  commit: string,
  name: string,
): Promise<void> {
  const path = absencePath(cacheDir, repo, commit, name);
  await makeCacheFolder(cacheDir, dirname(path));
  await writeFileAtomic(path, '');
}

/** Puts `name` into the snapshot as a relative link to its blob, as Python does. */
export async function linkBlob(
  cacheDir: string,
  repo: Repo,
  commit: string,
  name: string,
  blob: string,
): Promise<void> {
  const path = join(snapshotFolder(cacheDir, repo, commit), ...name.split('/'));
  await makeCacheFolder(cacheDir, dirname(path));
  const up = '../'.repeat(name.split('/').length + 1);
  const target = posix.join(up, 'blobs', blob);
  // Renamed into place: another process may be linking the same name.
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await symlink(target, temporary);
  await rename(temporary, path);
}

/** The status of a path that must be a regular file, or undefined where there is none. */
export async function regularFileSize(path: string): Promise<number | undefined> {
  try {
    const status = await lstat(path);
    if (!status.isFile()) {
      throw new SimgptError('ioFailed', `${path}: expected a regular file, received another kind`);
    }
    return status.size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
