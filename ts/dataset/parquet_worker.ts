// Reads one Parquet file in a thread of its own: a panic or a hang of the decoder, and all the memory
// it took, end with the thread. It answers one message with one message and keeps no row.
import { openAsBlob } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { tableFromIPC } from 'apache-arrow';
import type { RecordBatch } from 'parquet-wasm/esm';
import { loadParquet } from './parquet_wasm.js';

/** Where the file is: a path, or its bytes. */
export type ParquetFileAt = { readonly path: string } | { readonly bytes: Uint8Array<ArrayBuffer> };

/** What the thread is started with. */
export interface ParquetJob {
  readonly file: ParquetFileAt;
  /** Most bytes of the decoder's memory. */
  readonly maxBytes: number;
}

/** `open` comes first, then `read` with the columns wanted, then `next` until there is nothing. */
export type ParquetRequest =
  | { readonly kind: 'open' | 'next' }
  | { readonly kind: 'read'; readonly columns: string[] };

/** A value of a column as a row has it. */
export type ParquetValue = string | number | bigint | boolean | null | readonly ParquetValue[];

export type ParquetReply =
  | { readonly kind: 'opened'; readonly columns: readonly string[]; readonly rows: number }
  | { readonly kind: 'ready' | 'end' }
  /** A column of values each, in the order of the columns asked for. */
  | { readonly kind: 'rows'; readonly columns: readonly (readonly ParquetValue[])[] }
  | { readonly kind: 'failed'; readonly reason: string };

const rowsPerBatch = 256;
// A column in dictionary form is small until its rows are told one by one.
const charactersPerReply = 2 ** 24;

async function openFile(): Promise<(request: ParquetRequest) => Promise<ParquetReply>> {
  const { file: at, maxBytes } = workerData as ParquetJob;
  const blob = 'path' in at ? await openAsBlob(at.path) : new Blob([at.bytes]);
  const file = await loadParquet(maxBytes).ParquetFile.fromFile(blob);
  let rows: AsyncIterator<readonly ParquetValue[][]> | undefined;
  return async (request) => {
    if (request.kind === 'open') {
      const { fields } = tableFromIPC(file.schema().intoIPCStream()).schema;
      const count = file.metadata().fileMetadata().numRows();
      return { kind: 'opened', columns: fields.map(({ name }) => name), rows: count };
    }
    if (request.kind === 'read') {
      const { columns } = request;
      const stream = await file.stream({ batchSize: rowsPerBatch, columns });
      rows = repliesOf(stream as ReadableStream<RecordBatch>, columns);
      return { kind: 'ready' };
    }
    const next = await rows?.next();
    return next === undefined || next.done
      ? { kind: 'end' }
      : { kind: 'rows', columns: next.value };
  };
}

/** The values of some rows, column by column, of at most so many characters. */
async function* repliesOf(
  batches: AsyncIterable<RecordBatch>,
  names: readonly string[],
): AsyncGenerator<readonly ParquetValue[][]> {
  for await (const batch of batches) {
    const table = tableFromIPC(batch.intoIPCStream());
    let columns = names.map((): ParquetValue[] => []);
    let characters = 0;
    for (let row = 0; row < table.numRows; row++) {
      const budget = { characters: charactersPerReply };
      for (const [i, name] of names.entries()) {
        columns[i]!.push(plainValue(table.getChild(name)?.get(row), budget));
      }
      characters += charactersPerReply - budget.characters;
      if (characters >= charactersPerReply) {
        yield columns;
        columns = names.map(() => []);
        characters = 0;
      }
    }
    yield columns;
  }
}

/** Strings, numbers and lists of them; what is anything else is no part of an example. */
function plainValue(value: unknown, budget: { characters: number }, depth = 0): ParquetValue {
  if (value === null || value === undefined) {
    return null;
  }
  if (typeof value === 'object' && Symbol.iterator in value && depth === 0) {
    const items: ParquetValue[] = [];
    for (const item of value as Iterable<unknown>) {
      items.push(plainValue(item, budget, depth + 1));
    }
    return items;
  }
  budget.characters -= typeof value === 'string' ? value.length : 1;
  if (budget.characters < 0) {
    throw new RangeError(`a row of more than ${charactersPerReply} characters`);
  }
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof value)
    ? (value as string | number | bigint | boolean)
    : null;
}

const opened = openFile();
// The failure is told to the request that waits for it.
opened.catch(() => {});
parentPort?.on('message', (request: ParquetRequest) => {
  void opened
    .then((answer) => answer(request))
    .catch((error: unknown): ParquetReply => ({ kind: 'failed', reason: String(error) }))
    .then((reply) => parentPort?.postMessage(reply, []));
});
