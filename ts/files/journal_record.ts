// One record is one line: length of the JSON in bytes, crc32c of that length and the JSON, the JSON.
//   0000001b 5d3fa1c2 {"id":"7","kind":"settle"}\n
// Both numbers are eight lower-case hexadecimal digits. JSON holds no raw line end, so a line end
// always ends a record: what follows the last one is a torn tail, anything else that is wrong is
// damage.
import { canonicalJson } from './canonical_json.js';
import type { JsonValue } from './canonical_json.js';
import { crc32c } from './crc32c.js';
import { isJsonObject, jsonLimits, parseJson } from './json.js';

/** What a journal holds: a JSON object. */
export type JournalRecord = Readonly<Record<string, JsonValue>>;

/** Bytes before the JSON: two numbers, each with a space behind it. */
export const headerBytes = 18;

const lineEnd = 0x0a;

/** The line of a record. Throws TypeError or RangeError for what no journal can hold. */
export function encodeRecord(record: JournalRecord): Buffer {
  if (!isJsonObject(record)) {
    throw new TypeError('expected a journal record to be an object');
  }
  const json = Buffer.from(canonicalJson(record));
  if (json.length > jsonLimits.bytes) {
    throw new RangeError(
      `expected a journal record of at most ${jsonLimits.bytes} bytes, received ${json.length}`,
    );
  }
  const length = `${hexOf(json.length)} `;
  const checksum = crc32c(json, crc32c(Buffer.from(length)));
  return Buffer.concat([Buffer.from(`${length}${hexOf(checksum)} `), json, Buffer.of(lineEnd)]);
}

/** What stands at a place of a journal: a whole record, the start of one, or neither. */
export type Decoded =
  | { readonly kind: 'record'; readonly record: JournalRecord; readonly bytes: number }
  /** The bytes end before the record does; a record of `bytes` would be whole. */
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'damaged'; readonly reason: string };

/** Reads the record at the start of `bytes`; `name` is the file in the reason. */
export function decodeRecord(bytes: Uint8Array, name: string): Decoded {
  const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const firstEnd = found.indexOf(lineEnd);
  const header = found.toString('latin1', 0, Math.min(headerBytes, found.length));
  if (header.length < headerBytes) {
    return firstEnd < 0 && isHeaderStart(header)
      ? { kind: 'short', bytes: headerBytes }
      : { kind: 'damaged', reason: 'expected a length and a checksum' };
  }
  if (!isHeaderStart(header)) {
    return { kind: 'damaged', reason: 'expected a length and a checksum' };
  }
  const length = Number.parseInt(header.slice(0, 8), 16);
  if (length > jsonLimits.bytes) {
    return { kind: 'damaged', reason: `expected at most ${jsonLimits.bytes} bytes` };
  }
  const whole = headerBytes + length + 1;
  if (found.length < whole) {
    return firstEnd < 0
      ? { kind: 'short', bytes: whole }
      : { kind: 'damaged', reason: 'expected the length to reach the line end' };
  }
  if (firstEnd !== whole - 1) {
    return { kind: 'damaged', reason: 'expected the length to reach the line end' };
  }
  return decodeWhole(found.subarray(0, whole), header, name);
}

function decodeWhole(line: Buffer, header: string, name: string): Decoded {
  const json = line.subarray(headerBytes, -1);
  if (crc32c(json, crc32c(line.subarray(0, 9))) !== Number.parseInt(header.slice(9, 17), 16)) {
    return { kind: 'damaged', reason: 'expected the checksum of the record' };
  }
  const record = parseJson(json, name);
  return isJsonObject(record)
    ? { kind: 'record', record: record as JournalRecord, bytes: line.length }
    : { kind: 'damaged', reason: 'expected a JSON object' };
}

/** Upper case is refused: the same number written otherwise is still a changed byte. */
function isHeaderStart(text: string): boolean {
  return /^[0-9a-f]{8} [0-9a-f]{8} $/.test(text + '00000000 00000000 '.slice(text.length));
}

function hexOf(number: number): string {
  return number.toString(16).padStart(8, '0');
}
