import { fileURLToPath } from 'node:url';

import { readBoundedFile } from '../files/json.js';

const maxBytes = 16 * 2 ** 20;

/** Where a file of the package's own data is. */
export function shippedData(name: string): string {
  return fileURLToPath(new URL(`../../data/${name}`, import.meta.url));
}

/** The lines of a text file of the package's own data, empty ones left out. */
export function readDataLines(name: string): Promise<readonly string[]> {
  return readTextLines(shippedData(name));
}

/** The lines of a small text file, empty ones left out. Throws SimgptError `fileNotFound`. */
export async function readTextLines(path: string): Promise<readonly string[]> {
  const text = (await readBoundedFile(path, maxBytes)).toString('utf8');
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}
