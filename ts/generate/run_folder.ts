import { lstat, readdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import { SimgptError } from '../errors.js';
import { syncFolder } from '../files/atomic.js';
import { makeFolder } from '../files/folder.js';
import { openJournal } from '../files/journal.js';
import type { Journal, JournalRecord } from '../files/journal.js';
import { errorCode } from '../files/json.js';
import { openAnswerStore } from './answer_store.js';
import type { AnswerStore } from './answer_store.js';
import { ledgerEventOf } from './ledger_events.js';
import { createLedgerFold } from './ledger_fold.js';
import type { ReportingFold } from './ledger_fold.js';
import { applyEvent, emptyLedger } from './ledger_state.js';
import type { Caps, LedgerState } from './ledger_state.js';
import { runRecordOf } from './run_records.js';
import type { Commit, Failure, GenerationPlan, RunRecord } from './run_records.js';

/** A generation run as its journal tells it. */
export interface RunState {
  readonly ledger: LedgerState;
  readonly fold: ReportingFold | undefined;
  plan: { readonly hash: string; readonly plan: GenerationPlan } | undefined;
  caps: Caps;
  /** By id of the call. */
  readonly failures: Map<string, Failure>;
  /** Absent while the artefact of the plan is not written. */
  commit: Commit | undefined;
  /** Records of the Batch API's dispatcher. */
  readonly batches: JournalRecord[];
}

/** An open run folder: its journal locked, its answers at hand. */
export interface RunFolder extends AsyncDisposable {
  readonly path: string;
  readonly journal: Journal;
  readonly answers: AnswerStore;
  readonly state: RunState;
  /** Writes a record and takes it in; resolves when it is durable. */
  readonly record: (record: RunRecord) => Promise<void>;
}

export interface OpenRunOptions {
  /** Start a run where there is none. */
  readonly create: boolean;
  /** Keep every call of the ledger in memory, as reconciling and checking need it. */
  readonly keepsCalls?: boolean;
}

const journalName = 'journal';
const answersName = 'answers';

/**
 * Opens a run folder and takes its lock. Throws SimgptError: `outputExists` for a folder of other
 * files, `fileNotFound` where there is no run, and what a journal throws.
 */
export async function openRunFolder(path: string, options: OpenRunOptions): Promise<RunFolder> {
  await prepareFolder(path, options.create);
  let state = emptyState(options.keepsCalls === true);
  const open = (): Promise<Journal> =>
    openJournal(join(path, journalName), { onRecord: (found) => take(state, found) });
  const journal = await open().catch((error: unknown) => {
    if (state.fold === undefined || !isCorrection(error)) throw error;
    // A bill corrected calls that the fold had let go of: once more, with all of them kept.
    state = emptyState(true);
    return open();
  });
  let answers: AnswerStore | undefined;
  try {
    answers = await openAnswerStore(join(path, answersName));
    await removeTemporaries(path);
  } catch (error) {
    await answers?.close();
    await journal.close();
    throw error;
  }
  const store = answers;
  const close = async (): Promise<void> => {
    try {
      await store.close();
    } finally {
      await journal.close();
    }
  };
  return {
    path,
    journal,
    answers,
    state,
    record: async (record) => {
      apply(state, record);
      await journal.append(record);
    },
    [Symbol.asyncDispose]: close,
  };
}

function emptyState(keepsCalls: boolean): RunState {
  const fold = keepsCalls ? undefined : createLedgerFold();
  return {
    ledger: emptyLedger(fold),
    fold,
    plan: undefined,
    caps: {},
    failures: new Map(),
    commit: undefined,
    batches: [],
  };
}

function take(state: RunState, found: JournalRecord): void {
  const event = ledgerEventOf(found);
  if (event !== undefined) {
    if (event.kind === 'bill' && state.fold?.has(event.id) === true) throw new Correction();
    applyEvent(state.ledger, event);
  } else if (found['kind'] === 'batch') {
    state.batches.push(found);
  } else {
    apply(state, runRecordOf(found));
  }
}

class Correction extends Error {}

function isCorrection(error: unknown): boolean {
  return error instanceof Correction;
}

function apply(state: RunState, record: RunRecord): void {
  switch (record.kind) {
    case 'plan':
      state.plan = record;
      state.commit = undefined;
      break;
    case 'caps':
      state.caps = {
        tokens: record.tokens ?? undefined,
        calls: record.calls ?? undefined,
        money: record.money,
      };
      break;
    case 'fail':
      state.failures.set(record.id, { reason: record.reason, detail: record.detail });
      break;
    case 'retry':
      state.failures.clear();
      state.commit = undefined;
      break;
    default:
      state.commit = record;
  }
}

async function prepareFolder(path: string, create: boolean): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined && create) {
    try {
      await makeFolder(path);
      await syncFolder(dirname(resolve(path)));
    } catch (error) {
      const reason = errorCode(error) ?? String(error);
      const message = `could not make the folder ${path}: ${reason}`;
      throw new SimgptError('ioFailed', message, { cause: error });
    }
    return;
  }
  if (found === undefined || !found.isDirectory()) {
    const received = found === undefined ? 'none' : 'something else';
    const code = found === undefined ? 'fileNotFound' : 'outputExists';
    throw new SimgptError(code, `expected the folder of a run at ${path}, found ${received}`);
  }
  const names = await readdir(path);
  if (names.includes(journalName) || (create && names.length === 0)) return;
  // The journal's lock alone: a run that was killed before its first byte.
  if (create && names.every((name) => name.startsWith(`${journalName}.lock`))) return;
  throw new SimgptError(
    create ? 'outputExists' : 'fileNotFound',
    `expected ${path} to be ${create ? 'a new folder or ' : ''}a run's, found no journal in it`,
  );
}

/** What a crash left of files that were being written; none of another name is touched. */
async function removeTemporaries(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (/^\.[^/]{1,60}\.[0-9a-f]{12}\.tmp$/.test(name)) await unlink(join(path, name));
  }
}
