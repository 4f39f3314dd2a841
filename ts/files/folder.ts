import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import { errorCode } from './json.js';

/**
 * Makes a folder and those above it; one that is there is left. Rejects with the file system's own
 * error: on a read-only one Node says ENOENT where it makes several at once.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    await mkdir(firstMissing(path)).catch((cause: unknown) => {
      throw errorCode(cause) === 'EEXIST' ? error : cause;
    });
    await mkdir(path, { recursive: true });
  }
}

function firstMissing(path: string): string {
  let missing = resolve(path);
  while (dirname(missing) !== missing && !existsSync(dirname(missing))) missing = dirname(missing);
  return missing;
}
