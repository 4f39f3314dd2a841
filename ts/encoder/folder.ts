import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';

import { SimgptError } from '../errors.js';
import { errorCode, isMissing } from '../files/json.js';

const windowsReserved = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$/i;
// eslint-disable-next-line no-control-regex -- control characters are what this refuses
const unsafeCharacters = /[\u0000-\u001f\u007f<>:"|?*\\]/;

/**
 * Why a `/`-separated relative path from a foreign source must not be used as a file name, or
 * undefined where it is safe on POSIX and on Windows alike.
 */
export function unsafePathReason(path: string): string | undefined {
  if (path === '') return 'an empty path';
  if (Buffer.byteLength(path) > 1024) return 'more than 1024 bytes';
  if (path.startsWith('/')) return 'an absolute path';
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return `the part '${part}'`;
    if (Buffer.byteLength(part) > 255) return 'a name of more than 255 bytes';
    if (unsafeCharacters.test(part)) return 'a character that is not safe in file names';
    if (/[. ]$/.test(part)) return 'a name that ends in a dot or space';
    if (windowsReserved.test(part)) return 'a device name';
    if (/\p{Surrogate}/u.test(part)) return 'a lone surrogate';
  }
  return undefined;
}

/**
 * Where links inside a model folder may lead: the folder itself and, for a snapshot of the hub's
 * cache, the blobs beside it.
 */
async function allowedRoots(dir: string): Promise<readonly string[]> {
  const root = await realpath(dir);
  const snapshots = dirname(root);
  return basename(snapshots) === 'snapshots' ? [root, join(dirname(snapshots), 'blobs')] : [root];
}

function isInside(root: string, path: string): boolean {
  const steps = relative(root, path);
  return steps === '' || (!steps.startsWith(`..${sep}`) && steps !== '..' && !isAbsolute(steps));
}

/**
 * The absolute path of a file of the folder, or undefined where there is none. Throws `modelInvalid`
 * for a name that leaves the folder, by its spelling or by a link.
 */
export async function findInFolder(dir: string, name: string): Promise<string | undefined> {
  const reason = unsafePathReason(name);
  if (reason !== undefined) {
    throw new SimgptError(
      'modelInvalid',
      `${dir}: expected a file name inside the folder, received ${JSON.stringify(name)}: ${reason}`,
    );
  }
  const path = join(dir, name);
  try {
    const target = await realpath(path);
    const roots = await allowedRoots(dir);
    if (!roots.some((root) => isInside(root, target))) {
      throw new SimgptError(
        'modelInvalid',
        `${path}: expected a file inside the folder, received a link that leaves it`,
      );
    }
    return path;
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof SimgptError) throw error;
    throw new SimgptError(
      'ioFailed',
      `${path}: cannot read: ${errorCode(error) ?? String(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** {@link findInFolder} for a file that must be there. */
export async function requireInFolder(dir: string, name: string): Promise<string> {
  const path = await findInFolder(dir, name);
  if (path === undefined) {
    throw new SimgptError('fileNotFound', `${join(dir, name)}: expected this file in the folder`);
  }
  return path;
}

/** Whether the path names an existing folder. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
