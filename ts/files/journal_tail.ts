// Whether what cannot be read at the end of a journal is the group that a power cut tore. Its
// sectors may have reached the disk in any order, and one that did not reads as zeros.
import { decodeRecord } from './journal_record.js';
import { jsonLimits } from './json.js';

/** One write and one fdatasync cover at most this much, or one record that is larger. */
export const groupBytes = 4 * 1024 * 1024;

/** More than any group; beyond that something else must have been durable. */
export const longestTail = Math.max(groupBytes, jsonLimits.bytes) + 64;

const sectorBytes = 512;

/**
 * True where `tail`, the bytes of the file from `position` on that begin with no whole record, has a
 * sector that was never written and no record of a later group, which is written only once this one
 * is durable. Anything else is damage: bits that rot leave no sector of zeros.
 */
export function isTornGroup(tail: Buffer, position: number, name: string): boolean {
  if (tail.length > longestTail) return false;
  return hasUnwrittenSector(tail, position) && !hasLaterGroup(tail, name);
}

/** A sector, or the part of one after `position`, that is all zeros: no record holds a zero byte. */
function hasUnwrittenSector(tail: Buffer, position: number): boolean {
  for (let at = 0; at < tail.length;) {
    const end = Math.min(tail.length, at + sectorBytes - ((position + at) % sectorBytes));
    if (tail.subarray(at, end).every((byte) => byte === 0)) return true;
    at = end;
  }
  return false;
}

function hasLaterGroup(tail: Buffer, name: string): boolean {
  const text = tail.toString('latin1');
  for (const { index } of text.matchAll(/(?=(?:[0-9a-f]{8} ){3}\{)/g)) {
    const found = placeInGroup(tail.subarray(index), name);
    if (found !== undefined && index - found > 0) return true;
  }
  return false;
}

/** The place within its group of the whole record that begins here; undefined where none does. */
function placeInGroup(bytes: Buffer, name: string): number | undefined {
  try {
    const found = decodeRecord(bytes, name);
    return found.kind === 'record' ? found.groupOffset : undefined;
  } catch {
    return undefined;
  }
}
