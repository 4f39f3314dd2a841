import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SimgptError } from '../errors.js';
import { expectNewOutput } from './atomic.js';

/**
 * Checks before any work that files may be written: throws RangeError where one is an input,
 * SimgptError `outputExists` where one is there and may not be replaced, `ioFailed` without its folder.
 */
export async function expectWritable(
  paths: readonly string[],
  inputs: readonly string[],
  overwrite: boolean,
): Promise<void> {
  for (const path of paths) {
    for (const input of inputs) {
      if (await isSameFile(input, path)) {
        throw new RangeError(`expected an output other than the input, received ${path} for both`);
      }
    }
    if (!overwrite) {
      await expectNewOutput(path, 'pass --overwrite to replace it');
    }
  }
}

/** Throws SimgptError `ioFailed` where the folder of an output is not there. */
export async function expectFolderOf(path: string): Promise<void> {
  const folder = dirname(path);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new SimgptError('ioFailed', `expected a folder at ${folder} for the output, found none`);
  }
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all(
    [a, b].map((path) => realpath(path).catch(() => undefined)),
  );
  return first !== undefined && first === second;
}
