import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { SimgptError } from '../errors.js';
import { syncFolder, writeFailure, writeFileAtomic } from '../files/atomic.js';
import { canonicalJson, withoutUndefined } from '../files/canonical_json.js';
import { fingerprintFile } from '../dataset/input.js';
import { readJsonFile } from '../files/json.js';
import type { LogMark } from './metrics_log.js';

/** Size and sha256 of a file. */
export interface FileFingerprint {
  readonly bytes: number;
  readonly sha256: string;
}

/** Where a run stands after a whole step: its counters; weights and moments are beside it. */
export interface RunState {
  readonly formatVersion: 1;
  /** Steps done. */
  readonly step: number;
  /** The last step whose evaluation is done; -1 where none is. */
  readonly evaluatedStep: number;
  /** The selected model so far: `models/step-…` holds it. */
  readonly best: { readonly step: number; readonly score: number } | null;
  /** Evaluations since the best one. */
  readonly withoutGain: number;
  /** No step is left: the last one is done, or the run stopped early. */
  readonly finished: boolean;
  readonly metrics: LogMark;
}

interface StoredState extends RunState {
  readonly training: FileFingerprint;
}

/** A checkpoint that has been read back whole. */
export interface SavedCheckpoint {
  readonly state: RunState;
  /** Weights and optimizer state. */
  readonly trainingPath: string;
}

const trainingFile = 'training.safetensors';
const stateFile = 'state.json';

/** `step-00000125`: sorts as numbers do. */
export function stepName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/** Kept while a run goes on: the newest, and one more in case the disk damages it. */
const keptCheckpoints = 2;

/**
 * Writes a checkpoint below `folder`: a new directory that appears whole or not at all. It is read
 * back before it takes its name, and only then are older ones removed, so that a failure leaves
 * them as they were. Resolves to the states of the checkpoints that are kept.
 */
export async function saveCheckpoint(
  folder: string,
  state: RunState,
  saveTraining: (path: string) => Promise<void>,
): Promise<readonly RunState[]> {
  const name = stepName(state.step);
  const temporary = join(folder, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(temporary);
    const trainingPath = join(temporary, trainingFile);
    await saveTraining(trainingPath);
    const training = await fingerprintFile(trainingPath);
    const stored: StoredState = { ...state, training };
    await writeFileAtomic(
      join(temporary, stateFile),
      `${canonicalJson(withoutUndefined(stored))}\n`,
    );
    await syncFolder(temporary);
    // A checkpoint of this step may be there: of a run that was interrupted in its evaluation.
    await rm(join(folder, name), { recursive: true, force: true });
    await rename(temporary, join(folder, name));
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw writeFailure(join(folder, name), error);
  }
  return removeOlder(folder, keptWith(state));
}

/** Removes all but the newest `kept` whole checkpoints, and what an interrupted write left. */
async function removeOlder(folder: string, kept: number): Promise<readonly RunState[]> {
  const states: RunState[] = [];
  for (const name of (await checkpointNames(folder)).toReversed()) {
    const state = states.length < kept ? await readState(join(folder, name)) : undefined;
    if (state === undefined) await rm(join(folder, name), { recursive: true, force: true });
    else states.push(state);
  }
  for (const name of await readdir(folder)) {
    if (/^\.step-\d+\.[0-9a-f]+\.tmp$/.test(name)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
  return states;
}

/**
 * The newest checkpoint below `folder` that is whole; undefined where there is none. Removes what a
 * kill left of later and of older ones, so that a run ends with the same files however it came there.
 */
export async function openNewestCheckpoint(folder: string): Promise<SavedCheckpoint | undefined> {
  for (const name of (await checkpointNames(folder)).toReversed()) {
    // Throws where the disk could not tell: only what is known to be damaged is removed.
    const found = await readCheckpointAt(join(folder, name));
    if (found === undefined) {
      await rm(join(folder, name), { recursive: true, force: true });
      continue;
    }
    await removeOlder(folder, keptWith(found.state));
    return found;
  }
  return undefined;
}

function keptWith({ finished }: RunState): number {
  return finished ? 1 : keptCheckpoints;
}

async function checkpointNames(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^step-\d{8,}$/.test(name)).sort();
}

/** The counters alone; undefined where they are missing or damaged. */
async function readState(path: string): Promise<StoredState | undefined> {
  const file = await readJsonFile(join(path, stateFile)).catch(absentOrDamaged);
  if (file === undefined) return undefined;
  // Whole or damaged: a record that is cut or changed is no checkpoint.
  const { formatVersion, step, evaluatedStep, training, metrics } =
    file.fields as Partial<StoredState>;
  const counts = [step, evaluatedStep].every(Number.isSafeInteger);
  const named = typeof training === 'object' && typeof metrics === 'object';
  return formatVersion === 1 && counts && named
    ? (file.fields as unknown as StoredState)
    : undefined;
}

function absentOrDamaged(error: unknown): undefined {
  const codes = ['fileNotFound', 'fileInvalid'];
  if (!(error instanceof SimgptError) || !codes.includes(error.code)) throw error;
}

async function readCheckpointAt(path: string): Promise<SavedCheckpoint | undefined> {
  const state = await readState(path);
  if (state === undefined) return undefined;
  const trainingPath = join(path, trainingFile);
  const { bytes, sha256 } = state.training;
  const found = await fingerprintFile(trainingPath).catch(absentOrDamaged);
  return found?.bytes === bytes && found.sha256 === sha256 ? { state, trainingPath } : undefined;
}
