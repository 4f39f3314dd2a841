import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { SimgptError } from '../errors.js';

/** Bytes to read, and the name that messages and quarantine rows give them. */
export interface InputSource {
  readonly name: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Opens a file, a pipe, or standard input where the path is `-`. Throws SimgptError by name. */
export async function openInput(path: string, signal?: AbortSignal): Promise<InputSource> {
  if (path === '-') {
    const stdin = (): AsyncIterable<Uint8Array> =>
      signal === undefined ? process.stdin : addAbortSignal(signal, process.stdin);
    return { name: 'stdin', chunks: withReadErrors(stdin, 'stdin') };
  }
  await expectReadable(path);
  const options = { highWaterMark: 1 << 18, ...(signal === undefined ? {} : { signal }) };
  return { name: path, chunks: withReadErrors(() => createReadStream(path, options), path) };
}

async function expectReadable(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw readFailure(path, error);
  });
  if (!found.isFile() && !found.isFIFO()) {
    const kind = found.isDirectory() ? 'a directory' : 'a device or socket';
    throw new SimgptError('fileInvalid', `expected a file at ${path}, received ${kind}`);
  }
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

/** The form a file name promises; throws SimgptError `unsupported` for any other. */
export function formatOfName(path: string): DatasetFormat {
  const name = basename(path).toLowerCase();
  const extension = name.includes('.') ? name.slice(name.lastIndexOf('.') + 1) : '';
  const format = extensions.get(extension);
  if (format !== undefined) {
    return format;
  }
  const advice =
    extension === 'gz' ? 'decompress it first' : 'or name the form with --input-format';
  throw new SimgptError(
    'unsupported',
    `expected an input ending in .txt, .jsonl, .csv or .tsv, received ${basename(path)}; ${advice}`,
  );
}
