import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import { errorCode } from './json.js';

/**
 * Makes a folder and those above it; one that is there is left. Rejects with the file system's own
 * error. One at a time: where Node makes several at once it says ENOENT on a read-only disk, and
 * below /proc, where nothing can be made, it never ends.
 */
export async function makeFolder(path: string): Promise<void> {
  const folder = resolve(path);
  const above = dirname(folder);
  try {
    await makeOne(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || above === folder) throw error;
    await makeFolder(above);
    await makeOne(folder);
  }
}

async function makeOne(folder: string): Promise<void> {
  await mkdir(folder).catch(async (error: unknown) => {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory() !== true) throw error;
  });
}
