import { rm } from 'node:fs/promises';
import { createAtomicFile } from './atomic.js';
import type { AtomicFile } from './atomic.js';

/** A row that was left out, and why. */
export interface BadRow {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Which field, or null where the line as a whole is at fault. */
  readonly field: string | null;
  readonly reason: string;
}

/** The bad rows of one run: a JSON line each, in a file that exists only if there are any. */
export interface Quarantine {
  readonly path: string;
  /** How many rows so far. */
  readonly count: () => number;
  readonly add: (row: BadRow) => Promise<void>;
  readonly commit: () => Promise<void>;
  readonly abort: () => Promise<void>;
}

/** Rows go to `path` when it is committed; an older file of that name is then replaced, or gone. */
export function createQuarantine(path: string): Quarantine {
  let file: AtomicFile | undefined;
  let count = 0;
  return {
    path,
    count: () => count,
    add: async ({ file: name, line, field, reason }) => {
      file ??= await createAtomicFile(path);
      await file.write(`${JSON.stringify({ file: name, line, field, reason })}\n`);
      count++;
    },
    commit: async () => {
      if (file !== undefined) await file.commit();
      else await rm(path, { force: true });
    },
    abort: async () => {
      await file?.abort();
    },
  };
}
