// One record is one line: length of the JSON in bytes, crc32c of all the rest, how many bytes of its
// group stand before it, the JSON.
//   0000001b 5d3fa1c2 00000000 {"id":"7","kind":"settle"}\n
// The numbers are eight lower-case hexadecimal digits. A group is what one fdatasync made durable; a
// group is written after the one before it is durable, so only the last can be torn. The first line
// of a file has no group and looks alike in every version, which it names. JSON holds no raw line
// end and no zero byte.
import { canonicalJson } from './canonical_json.js';
import type { JsonValue } from './canonical_json.js';
import { crc32c } from './crc32c.js';
import { isJsonObject, jsonLimits, parseJson } from './json.js';

/** What a journal holds: a JSON object. */
export type JournalRecord = Readonly<Record<string, JsonValue>>;

/** A line with its place in a group, or the first line of a file, which has none. */
export type LineKind = 'grouped' | 'first';

const lineEnd = 0x0a;
const zeros = '00000000 '.repeat(3);

/** Bytes before the JSON: each number has a space behind it. */
export function headerBytesOf(kind: LineKind): number {
  return kind === 'grouped' ? 27 : 18;
}

/** The JSON of a record. Throws TypeError or RangeError for what no journal can hold. */
export function recordJson(record: JournalRecord): Buffer {
  if (!isJsonObject(record)) {
    throw new TypeError('expected a journal record to be an object');
  }
  const json = Buffer.from(canonicalJson(record));
  if (json.length > jsonLimits.bytes) {
    throw new RangeError(
      `expected a journal record of at most ${jsonLimits.bytes} bytes, received ${json.length}`,
    );
  }
  return json;
}

/** Bytes of the line that holds such JSON. */
export function lineBytes(json: Uint8Array, kind: LineKind = 'grouped'): number {
  return headerBytesOf(kind) + json.length + 1;
}

/** Writes the line at `at`; without `groupOffset` it is the first of its file. Returns its bytes. */
export function writeLine(
  into: Buffer,
  at: number,
  json: Uint8Array,
  groupOffset: number | undefined,
): number {
  const kind = groupOffset === undefined ? 'first' : 'grouped';
  const end = at + lineBytes(json, kind);
  const group = groupOffset === undefined ? '' : `${hexOf(groupOffset)} `;
  into.write(`${hexOf(json.length)} ${zeros.slice(0, 9)}${group}`, at, 'latin1');
  into.set(json, at + headerBytesOf(kind));
  into[end - 1] = lineEnd;
  into.write(hexOf(checksumOf(into.subarray(at, end))), at + 9, 'latin1');
  return end - at;
}

/** The line of a record. Throws as `recordJson` does. */
export function encodeRecord(record: JournalRecord, groupOffset?: number): Buffer {
  const json = recordJson(record);
  const kind = groupOffset === undefined ? 'first' : 'grouped';
  const line = Buffer.alloc(lineBytes(json, kind));
  writeLine(line, 0, json, groupOffset);
  return line;
}

/** What stands at a place of a journal: a whole record, the start of one, or neither. */
export type Decoded =
  | {
      readonly kind: 'record';
      readonly record: JournalRecord;
      readonly bytes: number;
      readonly groupOffset: number;
    }
  /** The bytes end before the record does; a record of `bytes` would be whole. */
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'damaged'; readonly reason: string };

/** Reads the record at the start of `bytes`; `name` is the file in the reason. */
export function decodeRecord(bytes: Uint8Array, name: string, kind: LineKind = 'grouped'): Decoded {
  const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerBytes = headerBytesOf(kind);
  const firstEnd = found.indexOf(lineEnd);
  const header = found.toString('latin1', 0, Math.min(headerBytes, found.length));
  if (!isHeaderStart(header, headerBytes) || (header.length < headerBytes && firstEnd >= 0)) {
    return { kind: 'damaged', reason: 'expected a length and a checksum' };
  }
  if (header.length < headerBytes) return { kind: 'short', bytes: headerBytes };
  const length = Number.parseInt(header.slice(0, 8), 16);
  if (length > jsonLimits.bytes) {
    return { kind: 'damaged', reason: `expected at most ${jsonLimits.bytes} bytes` };
  }
  const whole = headerBytes + length + 1;
  if (found.length < whole && firstEnd < 0) return { kind: 'short', bytes: whole };
  if (firstEnd !== whole - 1) {
    return { kind: 'damaged', reason: 'expected the length to reach the line end' };
  }
  return decodeWhole(found.subarray(0, whole), header, name);
}

function decodeWhole(line: Buffer, header: string, name: string): Decoded {
  if (checksumOf(line) !== Number.parseInt(header.slice(9, 17), 16)) {
    return { kind: 'damaged', reason: 'expected the checksum of the record' };
  }
  const record = parseJson(line.subarray(header.length, -1), name);
  const groupOffset = Number.parseInt(header.slice(18, 26) || '0', 16);
  return isJsonObject(record)
    ? { kind: 'record', record: record as JournalRecord, bytes: line.length, groupOffset }
    : { kind: 'damaged', reason: 'expected a JSON object' };
}

function checksumOf(line: Buffer): number {
  return crc32c(line.subarray(18, -1), crc32c(line.subarray(0, 9)));
}

/** Upper case is refused: the same number written otherwise is still a changed byte. */
function isHeaderStart(text: string, headerBytes: number): boolean {
  return /^(?:[0-9a-f]{8} )+$/.test(text + zeros.slice(text.length, headerBytes));
}

function hexOf(number: number): string {
  return number.toString(16).padStart(8, '0');
}
