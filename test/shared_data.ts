import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root: compiled tests live in build/test. */
export const repoRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

function findShared(): string | undefined {
  const candidate = process.env['SIMGPT_SHARED'] ?? join(repoRoot, '../shared');
  return existsSync(join(candidate, 'data')) ? resolve(candidate) : undefined;
}

/** The folder of shared data sets and models beside the checkout, where there is one. */
export const sharedDir = findShared();

/** For `node:test` options: the reason to skip, or false where the folder is there. */
export const skipWithoutShared: string | false =
  sharedDir === undefined ? 'no ../shared beside the checkout (or SIMGPT_SHARED)' : false;
