import { Field, Float64, List, Table, Utf8, tableToIPC, vectorFromArray } from 'apache-arrow';
import type { RecordBatch } from 'parquet-wasm/esm';
import { canonicalJson } from '../files/canonical_json.js';
import type { WritableExample } from './example_writers.js';
import { loadParquet } from './parquet_wasm.js';

const rowsPerBatch = 4096;
const charactersPerBatch = 8 * 2 ** 20;
// A reader holds a row group at a time.
const rowsPerGroup = 65_536;

/** A Parquet file of examples, in pieces: all columns of the example format, zstd. */
export async function* parquetBytes(
  rows: AsyncIterable<WritableExample>,
): AsyncGenerator<Uint8Array> {
  const parquet = loadParquet();
  const properties = new parquet.WriterPropertiesBuilder()
    .setCompression(parquet.Compression.ZSTD)
    .setMaxRowGroupSize(rowsPerGroup)
    .build();
  const batches = recordBatches(rows);
  let failure: Error | undefined;
  const source = new ReadableStream<RecordBatch>({
    pull: async (controller) => {
      try {
        const next = await batches.next();
        if (next.done) {
          controller.close();
        } else {
          controller.enqueue(next.value);
        }
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
        controller.error(error);
      }
    },
  });
  try {
    const written = await parquet.transformParquetStream(source, properties);
    yield* written as ReadableStream<Uint8Array>;
  } catch (error) {
    // The stream wraps what the rows threw; their own words say more.
    throw failure ?? error;
  }
  if (failure !== undefined) {
    throw failure;
  }
}

async function* recordBatches(rows: AsyncIterable<WritableExample>): AsyncGenerator<RecordBatch> {
  let held: WritableExample[] = [];
  let characters = 0;
  let batches = 0;
  for await (const row of rows) {
    held.push(row);
    characters += row.anchor.length + row.positive.length;
    characters += row.hardNegatives.reduce((sum, text) => sum + text.length, 0);
    if (held.length === rowsPerBatch || characters >= charactersPerBatch) {
      yield recordBatch(held);
      batches++;
      held = [];
      characters = 0;
    }
  }
  // A file without a row has its columns all the same.
  if (held.length > 0 || batches === 0) {
    yield recordBatch(held);
  }
}

function recordBatch(rows: readonly WritableExample[]): RecordBatch {
  const text = new Utf8();
  const texts = new List(new Field('item', text, false));
  const optional = (name: 'instruction' | 'task' | 'group' | 'source') =>
    vectorFromArray(
      rows.map((row) => row[name] ?? null),
      text,
    );
  const score = (name: 'positiveScore' | 'negativeScore') =>
    vectorFromArray(
      rows.map((row) => row[name] ?? null),
      new Float64(),
    );
  const table = new Table({
    id: vectorFromArray(
      rows.map(({ id }) => id),
      text,
    ),
    anchor: vectorFromArray(
      rows.map(({ anchor }) => anchor),
      text,
    ),
    positive: vectorFromArray(
      rows.map(({ positive }) => positive),
      text,
    ),
    hardNegatives: vectorFromArray(
      rows.map(({ hardNegatives }) => hardNegatives),
      texts,
    ),
    positiveScore: score('positiveScore'),
    negativeScore: score('negativeScore'),
    instruction: optional('instruction'),
    task: optional('task'),
    group: optional('group'),
    source: optional('source'),
    provenance: vectorFromArray(rows.map(provenanceOf), text),
  });
  const native = loadParquet().Table.fromIPCStream(tableToIPC(table, 'stream'));
  const batch = native.recordBatch(0)!;
  native.free();
  return batch;
}

function provenanceOf({ provenance }: WritableExample): string | null {
  return provenance === undefined
    ? null
    : typeof provenance === 'string'
      ? provenance
      : canonicalJson(provenance);
}
