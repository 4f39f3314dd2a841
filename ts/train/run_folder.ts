import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { SimgptError } from '../errors.js';
import { syncFolder, writeFailure, writeFileAtomic } from '../files/atomic.js';
import { canonicalJson } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import { makeFolder } from '../files/folder.js';
import { errorCode, isJsonObject, readJsonFileIfPresent } from '../files/json.js';
import { acquireLock } from '../files/lock.js';

/** Everything a run is a function of: written before the first step, compared at every start. */
export type RunPlan = { readonly [name: string]: JsonValue };

/** The places of a run folder. */
export interface RunFolder extends AsyncDisposable {
  readonly path: string;
  readonly checkpoints: string;
  /** Selected models by step, until the best becomes `model`. */
  readonly models: string;
  readonly model: string;
  readonly metrics: string;
  readonly timings: string;
}

const planFile = 'run.json';

/**
 * Opens a run folder, or starts one, and holds its lock until disposed. Throws SimgptError
 * `outputExists` where the folder holds other things, or a run of another plan: the first value
 * that differs is named; `ioFailed` where it cannot be written or another process has it.
 */
export async function openRunFolder(path: string, plan: RunPlan): Promise<RunFolder> {
  const lock = await openPlanned(path, plan, ['checkpoints', 'models']);
  return {
    path,
    checkpoints: join(path, 'checkpoints'),
    models: join(path, 'models'),
    model: join(path, 'model'),
    metrics: join(path, 'metrics.jsonl'),
    timings: join(path, 'timings.jsonl'),
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  };
}

/**
 * Opens the folder that several seeds' run folders lie in, with what they share as its plan. Holds
 * its lock until disposed; throws as `openRunFolder` does.
 */
export async function openSeedsFolder(path: string, plan: RunPlan): Promise<AsyncDisposable> {
  return openPlanned(path, plan, []);
}

async function openPlanned(
  path: string,
  plan: RunPlan,
  folders: readonly string[],
): Promise<AsyncDisposable> {
  await expectRunOrNothing(path);
  try {
    await makeFolder(path);
  } catch (error) {
    throw writeFailure(path, error);
  }
  const lock = await acquireLock(join(path, 'lock'), { waitMs: 0 }).catch((error: unknown) => {
    throw writeFailure(path, error);
  });
  try {
    const known = await readJsonFileIfPresent(join(path, planFile));
    if (known === undefined) {
      for (const name of folders) await makeFolder(join(path, name));
      await syncFolder(path);
      await writeFileAtomic(join(path, planFile), `${canonicalJson(plan)}\n`);
    } else {
      expectSamePlan(path, known.fields, plan);
    }
    await removeTemporaries(path);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw writeFailure(path, error);
  }
  return lock;
}

/** The plan in a run folder; undefined where it has none. */
export async function readPlan(path: string): Promise<RunPlan | undefined> {
  const file = await readJsonFileIfPresent(join(path, planFile));
  return file?.fields as RunPlan | undefined;
}

// What a start that was killed before its plan may have left.
const ownNames = new Set(['checkpoints', 'models', 'lock']);

async function expectRunOrNothing(path: string): Promise<void> {
  const names = await readdir(path).catch((error: unknown): string[] => {
    if (errorCode(error) === 'ENOENT') return [];
    throw writeFailure(path, error);
  });
  const started = names.includes(planFile) || names.every((name) => isOwn(name));
  if (started) return;
  throw new SimgptError(
    'outputExists',
    `expected ${path} to be a run of this command, empty or not there, found other files`,
  );
}

function isOwn(name: string): boolean {
  return ownNames.has(name) || isTemporary(name);
}

/** Whether the unfinished half of an atomic file, folder or lock has that name. */
function isTemporary(name: string): boolean {
  return /^(?:\..+\.[0-9a-f]{12}\.tmp|lock\.[0-9a-f]{12}\.(?:tmp|stale))$/.test(name);
}

function expectSamePlan(path: string, known: Readonly<Record<string, unknown>>, now: RunPlan) {
  const field = firstDifference(known, now, []);
  if (field === undefined) return;
  const [place, then, here] = field;
  throw new SimgptError(
    'outputExists',
    `expected ${path} to be a run of the same recipe, model and data: ${place} was ` +
      `${shown(then)}, is ${shown(here)} now; repeat the first command, or take another --output`,
  );
}

type Difference = readonly [place: string, then: unknown, now: unknown];

function firstDifference(a: unknown, b: unknown, place: readonly string[]): Difference | undefined {
  if (isJsonObject(a) && isJsonObject(b)) {
    for (const key of [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()) {
      const found = firstDifference(a[key], b[key], [...place, key]);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    for (const [index, value] of a.entries()) {
      const found = firstDifference(value, b[index], [...place, String(index)]);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return JSON.stringify(a) === JSON.stringify(b) ? undefined : [place.join('.'), a, b];
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'absent';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Removes the unfinished halves of files and folders that a killed run left in `folder`. */
export async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (isTemporary(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
