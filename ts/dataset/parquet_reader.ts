import { Worker } from 'node:worker_threads';
import { SimgptError } from '../errors.js';
import { fieldsByName } from './example_fields.js';
import { openInput, statInput } from './input.js';
import type {
  ParquetFileAt,
  ParquetJob,
  ParquetReply,
  ParquetRequest,
  ParquetValue,
} from './parquet_worker.js';
import type { ExampleColumns, FieldMap, RowValues } from './training_example.js';

/** One row of a Parquet file; `line` is its number from 1. */
export interface ParquetRow {
  readonly values: RowValues;
  readonly fields: FieldMap;
}

export interface ReadParquetOptions {
  readonly columns?: ExampleColumns | undefined;
  readonly keepRecords?: boolean | undefined;
  /** Most memory of the decoder, in bytes. Default 1 GiB. */
  readonly decoderBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

// A compressed Parquet file is read from memory, since its end must be read first.
const maxGunzipped = 256 * 2 ** 20;
// What one batch of 256 rows may take, wherever in the file it is.
const maxSilenceMs = 120_000;
const maxHeapMegabytes = 1024;

/**
 * The rows of a Parquet file, of the columns that examples have. Throws SimgptError `dataInvalid`,
 * with the row it was met at, for anything that is not Parquet throughout.
 */
export async function* readParquetRows(
  path: string,
  { columns, keepRecords, decoderBytes = 2 ** 30, signal }: ReadParquetOptions = {},
): AsyncGenerator<ParquetRow> {
  if (signal?.aborted) {
    throw new SimgptError('cancelled', `reading ${path} was cancelled`);
  }
  const job = { file: await locate(path, signal), maxBytes: decoderBytes };
  const decoder = startDecoder(path, job, signal);
  try {
    const opened = await decoder.ask({ kind: 'open' }, 0);
    if (opened.kind !== 'opened' || opened.rows === 0) {
      return;
    }
    const fields = fieldsByName(`${path}, schema`, opened.columns, columns);
    const named = [...Object.values(fields.single), ...fields.hardNegatives];
    const extra = keepRecords && opened.columns.includes('provenance') ? ['provenance'] : [];
    const wanted = [...new Set([...named, ...extra])];
    await decoder.ask({ kind: 'read', columns: wanted }, 0);
    for (let row = 0; ;) {
      const reply = await decoder.ask({ kind: 'next' }, row);
      if (reply.kind !== 'rows') {
        return;
      }
      const count = reply.columns[0]?.length ?? 0;
      for (let i = 0; i < count; i++) {
        yield { values: rowValues(row + i + 1, wanted, reply.columns, i), fields };
      }
      row += count;
    }
  } finally {
    await decoder.stop();
  }
}

async function locate(path: string, signal: AbortSignal | undefined): Promise<ParquetFileAt> {
  if (!/\.gz$/i.test(path)) {
    await statInput(path);
    return { path };
  }
  const limits = { maxBytes: maxGunzipped };
  const { chunks } = await openInput(path, signal, limits);
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    parts.push(chunk);
  }
  return { bytes: new Uint8Array(Buffer.concat(parts)) };
}

function rowValues(
  line: number,
  names: readonly string[],
  columns: readonly (readonly ParquetValue[])[],
  row: number,
): RowValues {
  const value = (name: string): ParquetValue | undefined => columns[names.indexOf(name)]?.[row];
  return {
    line,
    value,
    label: (name) => {
      const label = value(name);
      return label === undefined || label === null || typeof label === 'string'
        ? label
        : typeof label === 'number' || typeof label === 'bigint'
          ? String(label)
          : undefined;
    },
  };
}

interface Decoder {
  /** `row` says in an error how far reading had come. */
  readonly ask: (request: ParquetRequest, row: number) => Promise<ParquetReply>;
  readonly stop: () => Promise<void>;
}

function startDecoder(path: string, job: ParquetJob, signal: AbortSignal | undefined): Decoder {
  const worker = new Worker(new URL('./parquet_worker.js', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
    stdout: true,
    stderr: true,
  });
  let settle: ((reply: ParquetReply) => void) | undefined;
  let ended: ParquetReply | undefined;
  const end = (reason: string): void => {
    ended ??= { kind: 'failed', reason };
    settle?.(ended);
  };
  worker.on('message', (reply: ParquetReply) => settle?.(reply));
  worker.on('error', (error) => end(String(error)));
  worker.on('exit', () => end('the decoder ended'));
  const onAbort = (): void => void worker.terminate();
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    ask: async (request, row) => {
      const reply = await new Promise<ParquetReply>((resolve) => {
        const timer = setTimeout(() => resolve(tooSlow), maxSilenceMs).unref();
        settle = (received) => {
          clearTimeout(timer);
          resolve(received);
        };
        if (ended !== undefined) {
          settle(ended);
        }
        worker.postMessage(request, []);
      });
      if (reply.kind === 'failed') {
        throw failure(path, row, reply.reason, job.maxBytes, signal);
      }
      return reply;
    },
    stop: async () => {
      signal?.removeEventListener('abort', onAbort);
      await worker.terminate();
    },
  };
}

const tooSlow: ParquetReply = {
  kind: 'failed',
  reason: `no answer of the decoder within ${maxSilenceMs / 1000} s`,
};

function failure(
  path: string,
  row: number,
  reason: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): SimgptError {
  if (signal?.aborted) {
    return new SimgptError('cancelled', `reading ${path} was cancelled`);
  }
  const said = reason.replace(/^(?:\w*Error: )+/, '').slice(0, 200);
  return new SimgptError(
    'dataInvalid',
    `${path}, row ${row + 1}: expected Parquet that decodes within ${maxBytes} bytes, ` +
      `received what does not: ${said}`,
  );
}
