// Records of a journal are mostly read in the order in which they were written, or nearly so: one
// read of the file brings in the neighbours too.
import { readAt } from './journal_replay.js';
import type { JournalFile, RecordPlace } from './journal_replay.js';

/** Records are durable somewhat out of their order, so some of what comes next stands before. */
const behindBytes = 32 * 1024;
const aheadBytes = 96 * 1024;

/** Reads the bytes of a record, of which those before `end` no longer change. */
export type WindowReader = (place: RecordPlace, end: number) => Promise<Buffer>;

export function windowReader(file: JournalFile, path: string): WindowReader {
  let window: { readonly start: number; readonly bytes: Buffer } = {
    start: 0,
    bytes: Buffer.alloc(0),
  };
  return async ({ position, bytes }, end) => {
    const { start, bytes: held } = window;
    if (position >= start && position + bytes <= start + held.length) {
      return held.subarray(position - start, position - start + bytes);
    }
    const from = Math.max(0, position - behindBytes);
    const upTo = Math.max(position + bytes, Math.min(end, position + aheadBytes));
    const found = await readAt(file, path, from, upTo - from);
    window = { start: from, bytes: found };
    return found.subarray(position - from, position - from + bytes);
  };
}
