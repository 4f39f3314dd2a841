import { isUtf8 } from 'node:buffer';

/** One line without its end, or why it cannot be one. */
export type Line =
  | { readonly number: number; readonly text: string; readonly problem?: undefined }
  | { readonly number: number; readonly text?: undefined; readonly problem: string };

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * The lines of a byte stream, split on `\n` alone, a `\r` before it dropped and a leading byte
 * order mark ignored. A line over `maxBytes` is never held in memory, and a line that is not UTF-8
 * is not repaired: both come out as problems, and reading goes on.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  { maxBytes }: { readonly maxBytes: number },
): AsyncGenerator<Line> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const take = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes <= maxBytes) {
      parts.push(part);
    } else {
      parts = [];
    }
  };
  const finish = (): Line => {
    const line = decodeLine(number, parts, bytes, maxBytes);
    number++;
    parts = [];
    bytes = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      take(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    if (start < chunk.length) {
      take(chunk.subarray(start));
    }
  }
  if (bytes > 0) {
    yield finish();
  }
}

function decodeLine(
  number: number,
  parts: readonly Uint8Array[],
  bytes: number,
  maxBytes: number,
): Line {
  if (bytes > maxBytes) {
    return { number, problem: `expected a line of at most ${maxBytes} bytes, received ${bytes}` };
  }
  let line: Buffer = Buffer.concat(parts);
  if (line.at(-1) === carriageReturn) {
    line = line.subarray(0, -1);
  }
  if (number === 1 && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) {
    line = line.subarray(3);
  }
  return isUtf8(line)
    ? { number, text: line.toString('utf8') }
    : { number, problem: 'expected UTF-8, received other bytes' };
}
