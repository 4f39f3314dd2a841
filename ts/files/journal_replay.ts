import { SimgptError } from '../errors.js';
import { decodeRecord, encodeRecord } from './journal_record.js';
import type { JournalRecord } from './journal_record.js';
import { isTornGroup, longestTail } from './journal_tail.js';
import { errorCode } from './json.js';

/** The part of a `FileHandle` that a journal uses; tests put faults in its place. */
export interface JournalFile {
  readonly read: (
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ) => Promise<{ readonly bytesRead: number }>;
  readonly write: (
    data: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ) => Promise<{ readonly bytesWritten: number }>;
  readonly datasync: () => Promise<void>;
  readonly truncate: (bytes: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Where a record stands in its file, in bytes. */
export interface RecordPlace {
  readonly position: number;
  readonly bytes: number;
}

const format = { format: 'simgpt journal', version: 2 } as const;

/** The first line of every journal. */
export const firstLine = encodeRecord(format);

/**
 * Reads every whole record and cuts a torn tail off; returns where the records end and how many
 * bytes were cut. Throws SimgptError `fileInvalid` at damage, which stays as it is, or `ioFailed`.
 */
export async function replayJournal(
  file: JournalFile,
  path: string,
  onRecord: (record: JournalRecord, place: RecordPlace) => void,
): Promise<{ readonly end: number; readonly cutBytes: number }> {
  let end = 0;
  let window = Buffer.alloc(0); // the bytes of the file from `end` on
  for (let count = 0, wanted = 1; ;) {
    const more = await readAt(file, path, end + window.length, Math.max(65_536, wanted));
    const isLast = more.length === 0;
    window = Buffer.concat([window, more]);
    let at = 0;
    while (at < window.length) {
      const found = decodeRecord(window.subarray(at), path, count === 0 ? 'first' : 'grouped');
      if (found.kind === 'damaged') {
        const tail = await tailFrom(file, path, end + at);
        const isFirstTorn = count > 0 || tail.length <= firstLine.length;
        if (isFirstTorn && isTornGroup(tail, end + at, path)) {
          return await cutAt(file, path, end + at, tail.length);
        }
        throw damage(path, end + at, count, found.reason);
      }
      if (found.kind === 'short') {
        wanted = found.bytes - (window.length - at);
        break;
      }
      if (count === 0) expectFormat(path, found.record);
      else onRecord(found.record, { position: end + at, bytes: found.bytes });
      at += found.bytes;
      count += 1;
    }
    end += at;
    window = window.subarray(at);
    if (isLast) return await cutAt(file, path, end, window.length);
  }
}

/** What follows `position`, or as much of it as shows that it is more than one group. */
async function tailFrom(file: JournalFile, path: string, position: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let bytes = 0; bytes <= longestTail;) {
    const part = await readAt(file, path, position + bytes, 65_536);
    if (part.length === 0) break;
    parts.push(part);
    bytes += part.length;
  }
  return Buffer.concat(parts);
}

/** Without the sync, a later append could become durable before the cut, behind the torn bytes. */
async function cutAt(file: JournalFile, path: string, end: number, cutBytes: number) {
  if (cutBytes > 0) {
    await attempt(path, 'cut the torn tail of', async () => {
      await file.truncate(end);
      await file.datasync();
    });
  }
  return { end, cutBytes };
}

function expectFormat(path: string, record: JournalRecord): void {
  if (record['format'] !== format.format || record['version'] !== format.version) {
    throw new SimgptError(
      'fileInvalid',
      `${path}: expected a simgpt journal of version ${format.version}, ` +
        `received version ${JSON.stringify(record['version'] ?? null).slice(0, 40)}`,
    );
  }
}

function damage(path: string, position: number, record: number, reason: string): SimgptError {
  return new SimgptError(
    'fileInvalid',
    `${path}: damaged at byte ${position}, record ${record}: ${reason}`,
  );
}

/** Reads `bytes` at `position`, fewer only where the file ends. */
export async function readAt(
  file: JournalFile,
  path: string,
  position: number,
  bytes: number,
): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await attempt(path, 'read', () =>
      file.read(buffer, filled, bytes - filled, position + filled),
    );
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Runs a file operation; its failure becomes SimgptError `ioFailed` naming the file. */
export async function attempt<Result>(
  path: string,
  action: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SimgptError) throw error;
    const reason = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new SimgptError('ioFailed', `could not ${action} ${path}: ${reason}`, { cause: error });
  }
}
