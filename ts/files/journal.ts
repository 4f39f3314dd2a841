import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import { SimgptError } from '../errors.js';
import { syncFolder } from './atomic.js';
import { decodeRecord, lineBytes, recordJson, writeLine } from './journal_record.js';
import type { JournalRecord } from './journal_record.js';
import { attempt, firstLine, replayJournal } from './journal_replay.js';
import type { JournalFile, RecordPlace } from './journal_replay.js';
import { groupBytes } from './journal_tail.js';
import { windowReader } from './journal_window.js';
import { acquireLock } from './lock.js';

export type { JournalRecord } from './journal_record.js';
export type { JournalFile, RecordPlace } from './journal_replay.js';

export interface JournalOptions {
  /** Sees every whole record in order before `openJournal` resolves; what it throws is thrown. */
  readonly onRecord?: (record: JournalRecord, place: RecordPlace) => void;
  /** Opens the file for reading and writing, made where there is none. */
  readonly openFile?: (path: string) => Promise<JournalFile>;
}

/** An append-only file of JSON records that survives a crash at any byte. */
export interface Journal extends AsyncDisposable {
  readonly path: string;
  /** Bytes of a torn tail that opening cut off. */
  readonly cutBytes: number;
  /**
   * Resolves when the record is durable. Records become durable in call order, many by one
   * fdatasync. The record is read at the call, so it may be changed afterwards. A record holds no
   * clock, host, pid or path, or a resumed run would differ from an uninterrupted one. Rejects with
   * TypeError or RangeError for what JSON cannot hold, with SimgptError `ioFailed` when the disk
   * fails: then the journal takes nothing more and must be opened again.
   */
  readonly append: (record: JournalRecord) => Promise<RecordPlace>;
  /** Reads a durable record again, its checksum too. */
  readonly read: (place: RecordPlace) => Promise<JournalRecord>;
  /** Waits for what was appended, closes the file and gives up the lock. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the journal at `path`, or starts one, and holds its lock (`path.lock`) until it is closed.
 * A torn tail is cut at the last whole record before it. Throws SimgptError: `ioFailed` where another process
 * has it (named) or the disk fails, `fileInvalid` with byte and record number where it is damaged.
 */
export async function openJournal(path: string, options: JournalOptions = {}): Promise<Journal> {
  const { onRecord = () => {}, openFile = openWithoutLinks } = options;
  const lock = await attempt(path, 'lock', () => acquireLock(`${path}.lock`, { waitMs: 0 }));
  let file: JournalFile | undefined;
  try {
    file = await attempt(path, 'open', () => openFile(path));
    const start = await replayJournal(file, path, onRecord);
    if (start.end === 0) await begin(path, file);
    return journalOf(path, file, lock, { ...start, end: start.end || firstLine.length });
  } catch (error) {
    await file?.close().catch(() => {});
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

function openWithoutLinks(path: string): Promise<JournalFile> {
  const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  // Windows has no O_NOFOLLOW. Answers and prompts are nobody else's to read.
  return open(path, O_CREAT | O_RDWR | (O_NOFOLLOW ?? 0), 0o600);
}

/** The first line is durable before there is a second, so that a torn first one is all there is. */
async function begin(path: string, file: JournalFile): Promise<void> {
  await attempt(path, 'append to', async () => {
    await writeAll(file, firstLine, 0);
    await file.datasync();
  });
  await attempt(path, 'sync the folder of', () => syncFolder(dirname(resolve(path))));
}

async function writeAll(file: JournalFile, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, done, data.length - done, position + done);
    if (bytesWritten <= 0) throw new Error('the disk took no bytes');
    done += bytesWritten;
  }
}

interface Waiting {
  readonly json: Buffer;
  readonly resolve: (place: RecordPlace) => void;
  readonly reject: (error: unknown) => void;
}

/** The lines of a group; each tells how far into the group it begins. */
function linesOf(group: readonly Waiting[]): Buffer {
  const lines = Buffer.allocUnsafe(group.reduce((sum, { json }) => sum + lineBytes(json), 0));
  let at = 0;
  for (const { json } of group) at += writeLine(lines, at, json, at);
  return lines;
}

function journalOf(
  path: string,
  file: JournalFile,
  lock: AsyncDisposable,
  start: { readonly end: number; readonly cutBytes: number },
): Journal {
  let { end } = start;
  const readBytes = windowReader(file, path);
  let waiting: Waiting[] = [];
  let flushing: Promise<void> | undefined;
  let failure: SimgptError | undefined;
  let closing: Promise<void> | undefined;

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = takeGroup();
      try {
        if (failure !== undefined) throw failure;
        await attempt(path, 'append to', async () => {
          await writeAll(file, linesOf(group), end);
          await file.datasync();
        });
      } catch (error) {
        // After a failed fsync the kernel may have dropped the pages and call the next one a
        // success, so nothing is tried again: opening reads what really is there.
        failure ??= error as SimgptError;
        for (const { reject } of group) reject(failure);
        continue;
      }
      for (const { json, resolve: durable } of group) {
        const bytes = lineBytes(json);
        durable({ position: end, bytes });
        end += bytes;
      }
    }
    flushing = undefined;
  };
  const takeGroup = (): Waiting[] => {
    let bytes = 0;
    const fits = waiting.findIndex(({ json }) => (bytes += lineBytes(json)) > groupBytes);
    const count = fits < 0 ? waiting.length : Math.max(1, fits);
    const group = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return group;
  };
  const append = async (record: JournalRecord): Promise<RecordPlace> => {
    if (closing !== undefined) {
      throw new SimgptError('disposed', `expected ${path} to be open, it was closed before`);
    }
    if (failure !== undefined) throw failure;
    const json = recordJson(record);
    return new Promise((resolve_, reject) => {
      waiting.push({ json, resolve: resolve_, reject });
      // What else this turn of the event loop brings goes into the same group.
      flushing ??= new Promise<void>((next) => setImmediate(next)).then(flush);
    });
  };
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await flushing;
      try {
        await attempt(path, 'close', () => file.close());
      } finally {
        await lock[Symbol.asyncDispose]();
      }
    })();
    return closing;
  };
  return {
    path,
    cutBytes: start.cutBytes,
    append,
    read: async (place) => {
      const found = decodeRecord(await readBytes(place, end), path);
      if (found.kind === 'record') return found.record;
      throw new SimgptError('fileInvalid', `${path}: damaged at byte ${place.position}`);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
