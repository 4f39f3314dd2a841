/** One record of a CSV file, or why its lines are none. */
export type CsvRecord =
  | { readonly line: number; readonly fields: readonly Uint8Array[]; readonly problem?: undefined }
  | { readonly line: number; readonly fields?: undefined; readonly problem: string };

const quote = 0x22;
const comma = 0x2c;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * The records of a CSV byte stream (RFC 4180; `\n` or `\r\n`, a byte order mark ignored). A broken
 * record costs its own lines and no other: after a stray quote reading resumes on the next line,
 * and where a quote is never closed, on the line after the one that opened it. `line` is where the
 * record starts.
 */
export async function* readCsvRecords(
  chunks: AsyncIterable<Uint8Array>,
  { maxBytes }: { readonly maxBytes: number },
): AsyncGenerator<CsvRecord> {
  let pending: Buffer = Buffer.alloc(0);
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let line = 1;
  let first = true;
  // The rest of a line too long to hold is passed over.
  let skipping = false;

  const advance = (from: number, to: number): number => {
    line += countLineFeeds(pending, from, to);
    return to;
  };
  const drain = function* (atEnd: boolean): Generator<CsvRecord> {
    pending = Buffer.concat([pending, ...waiting]);
    waiting = [];
    waitingBytes = 0;
    let start = first && hasByteOrderMark(pending) ? 3 : 0;
    first = false;
    if (skipping) {
      skipping = pending.indexOf(lineFeed) < 0;
      start = advance(0, nextLine(pending, 0));
    }
    while (start < pending.length) {
      const scan = scanRecord(pending, start, atEnd);
      const length = (scan?.next ?? pending.length) - start;
      if (scan === undefined && !atEnd && length <= maxBytes) {
        break;
      }
      if (length > maxBytes) {
        yield { line, problem: `expected a record of at most ${maxBytes} bytes, received more` };
      } else if (scan === undefined) {
        yield { line, problem: 'expected a closing quote, received none before the end' };
      } else if (scan.problem !== undefined) {
        yield { line, problem: scan.problem };
      } else {
        yield { line, fields: scan.fields };
      }
      skipping = scan === undefined && pending.indexOf(lineFeed, start) < 0;
      start = advance(start, scan?.next ?? nextLine(pending, start));
    }
    pending = pending.subarray(start);
  };

  for await (const chunk of chunks) {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    // A record that spans chunks is scanned again only after its bytes have doubled.
    if (waitingBytes >= pending.length && pending.length + waitingBytes > 3) {
      yield* drain(false);
    }
  }
  yield* drain(true);
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

interface ScannedRecord {
  readonly fields: readonly Uint8Array[];
  readonly problem?: string;
  /** Where the next record starts. */
  readonly next: number;
}

/** The record at `start`, or undefined where the bytes end inside it. */
function scanRecord(bytes: Buffer, start: number, atEnd: boolean): ScannedRecord | undefined {
  const fields: Uint8Array[] = [];
  for (let at = start; ;) {
    const field = bytes[at] === quote ? scanQuoted(bytes, at) : scanPlain(bytes, at);
    const end = bytes[field.end];
    if (field.value === undefined || (end === undefined && !atEnd)) {
      return undefined;
    }
    if (end !== comma && end !== lineFeed && end !== undefined) {
      const known = atEnd || bytes.indexOf(lineFeed, field.end) >= 0;
      const next = nextLine(bytes, field.end);
      return known ? { fields, problem: field.stray, next } : undefined;
    }
    fields.push(field.value);
    if (end !== comma) {
      return { fields, next: Math.min(field.end + 1, bytes.length) };
    }
    at = field.end + 1;
  }
}

interface ScannedField {
  /** Undefined where the closing quote is missing. */
  readonly value?: Uint8Array;
  /** A comma, a line feed or the end of the bytes stands here, if the field is well formed. */
  readonly end: number;
  /** What to say where something else stands there. */
  readonly stray: string;
}

function scanPlain(bytes: Buffer, start: number): ScannedField {
  const stray = 'expected quotes around a field that holds a quote, received none';
  let end = start;
  while (end < bytes.length && !isFieldEnd(bytes[end]!) && bytes[end] !== quote) {
    end++;
  }
  const atLineEnd = bytes[end] === lineFeed || end === bytes.length;
  const dropped = atLineEnd && end > start && bytes[end - 1] === carriageReturn ? 1 : 0;
  return { value: bytes.subarray(start, end - dropped), end, stray };
}

function scanQuoted(bytes: Buffer, start: number): ScannedField {
  const stray = 'expected a comma or the end of the line after a closing quote';
  const parts: Uint8Array[] = [];
  let from = start + 1;
  for (;;) {
    const close = bytes.indexOf(quote, from);
    if (close < 0) {
      return { end: bytes.length, stray };
    }
    if (bytes[close + 1] === quote) {
      parts.push(bytes.subarray(from, close + 1));
      from = close + 2;
      continue;
    }
    parts.push(bytes.subarray(from, close));
    const afterReturn = bytes[close + 2] === lineFeed || close + 2 === bytes.length;
    const end = bytes[close + 1] === carriageReturn && afterReturn ? close + 2 : close + 1;
    return { value: Buffer.concat(parts), end, stray };
  }
}

function isFieldEnd(byte: number): boolean {
  return byte === comma || byte === lineFeed;
}

function nextLine(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(lineFeed, from);
  return end < 0 ? bytes.length : end + 1;
}

function countLineFeeds(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (
    let at = bytes.indexOf(lineFeed, start);
    at >= 0 && at < end;
    at = bytes.indexOf(lineFeed, at + 1)
  ) {
    count++;
  }
  return count;
}
