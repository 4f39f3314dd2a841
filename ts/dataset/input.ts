import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { SimgptError } from '../errors.js';
import { gunzip, isGzip } from './gzip.js';
import type { GzipLimits } from './gzip.js';

/** Bytes to read, and the name that messages and quarantine rows give them. */
export interface InputSource {
  readonly name: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Opens a file, a pipe, or standard input where the path is `-`; gzip is known by its first bytes and
 * comes out decompressed. Throws SimgptError by name, `dataInvalid` where a file changes while it is
 * read.
 */
export async function openInput(
  path: string,
  signal?: AbortSignal,
  limits: GzipLimits = {},
): Promise<InputSource> {
  if (path === '-') {
    const stdin = (): AsyncIterable<Uint8Array> =>
      signal === undefined ? process.stdin : addAbortSignal(signal, process.stdin);
    return { name: 'stdin', chunks: plainChunks('stdin', withReadErrors(stdin, 'stdin'), limits) };
  }
  return { name: path, chunks: plainChunks(path, await openBytes(path, signal), limits) };
}

/** The bytes of a file or pipe as they are. */
async function openBytes(path: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const before = await statInput(path);
  const options = { highWaterMark: 1 << 18, ...(signal === undefined ? {} : { signal }) };
  const chunks = withReadErrors(() => createReadStream(path, options), path);
  return before.isFile() ? unchanged(path, before, chunks) : chunks;
}

/** Size and sha256 of a file's bytes as they are: what a plan writes down and a resume checks. */
export async function fingerprintFile(
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of await openBytes(path, signal)) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function* unchanged(
  path: string,
  before: Stats,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* chunks;
  const after = await stat(path).catch(() => undefined);
  const same = (field: 'ino' | 'size' | 'mtimeMs'): boolean => after?.[field] === before[field];
  if (!same('ino') || !same('size') || !same('mtimeMs')) {
    throw new SimgptError('dataInvalid', `expected ${path} to stay as it is while it is read`);
  }
}

async function* plainChunks(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  limits: GzipLimits,
): AsyncGenerator<Uint8Array> {
  let start: Buffer = Buffer.alloc(0);
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    while (start.length < 2) {
      const { value, done } = await iterator.next();
      if (done) break;
      start = Buffer.concat([start, value]);
    }
    if (/\.gz$/i.test(name) && !isGzip(start)) {
      throw new SimgptError('dataInvalid', `expected gzip data in ${name}, received other bytes`);
    }
    const whole = startingWith(start, { [Symbol.asyncIterator]: () => iterator });
    yield* isGzip(start) ? gunzip(name, whole, limits) : whole;
  } finally {
    await iterator.return?.();
  }
}

async function* startingWith(
  start: Buffer,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (start.length > 0) {
    yield start;
  }
  yield* rest;
}

/** What the file system says of a file or pipe; throws SimgptError by name for anything else. */
export async function statInput(path: string): Promise<Stats> {
  const found = await stat(path).catch((error: unknown) => {
    throw readFailure(path, error);
  });
  if (!found.isFile() && !found.isFIFO()) {
    const kind = found.isDirectory() ? 'a directory' : 'a device or socket';
    throw new SimgptError('fileInvalid', `expected a file at ${path}, received ${kind}`);
  }
  return found;
}

// A stream is made when the first bytes are asked for: until then nobody hears its errors.
async function* withReadErrors(
  open: () => AsyncIterable<Uint8Array>,
  path: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* open();
  } catch (error) {
    throw readFailure(path, error);
  }
}

/** The error of a file that cannot be read, as one sentence with the path. */
export function readFailure(path: string, error: unknown): SimgptError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ABORT_ERR') {
    return new SimgptError('cancelled', `reading ${path} was cancelled`);
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new SimgptError('fileNotFound', `expected a file at ${path}, found none`);
  }
  return new SimgptError('ioFailed', `could not read ${path}: ${code ?? String(error)}`, {
    cause: error,
  });
}

const formats = ['txt', 'jsonl', 'csv', 'tsv'] as const;

/** The forms of a data set that `readTexts` reads. */
export type DatasetFormat = (typeof formats)[number];

/** All of them, for messages and option lists. */
export const datasetFormats: readonly DatasetFormat[] = formats;

const extensions: ReadonlyMap<string, DatasetFormat> = new Map([
  ['txt', 'txt'],
  ['text', 'txt'],
  ['jsonl', 'jsonl'],
  ['ndjson', 'jsonl'],
  ['csv', 'csv'],
  ['tsv', 'tsv'],
]);

/** The form a file name promises, `.gz` left aside; throws SimgptError `unsupported` for any other. */
export function formatOfName(path: string): DatasetFormat {
  const format = extensions.get(extensionOf(path));
  if (format !== undefined) {
    return format;
  }
  throw new SimgptError(
    'unsupported',
    'expected an input ending in .txt, .jsonl, .csv or .tsv (.gz after it or not), ' +
      `received ${basename(path)}; or name the form with --input-format`,
  );
}

/** What follows the last dot of a file's name in lower case, `.gz` left aside; '' for nothing. */
export function extensionOf(path: string): string {
  const name = basename(path).toLowerCase().replace(/\.gz$/, '');
  return name.includes('.') ? name.slice(name.lastIndexOf('.') + 1) : '';
}
