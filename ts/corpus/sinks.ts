import { createAtomicFile } from '../files/atomic.js';
import { npyHeader, npyValues } from '../files/npy.js';

/** Where embeddings go, row by row, in input order. */
export interface EmbeddingSink {
  /** `embeddings` is [ids.length, dimensions]. */
  readonly write: (
    ids: readonly string[],
    embeddings: Float32Array,
    dimensions: number,
  ) => Promise<void>;
  /** Makes the output appear; without it nothing does. */
  readonly commit: () => Promise<void>;
  readonly abort: () => Promise<void>;
}

const formats = ['npy', 'jsonl'] as const;

/** npy: float32 [rows, dimensions]; jsonl: a line `{"id", "embedding"}` a row. */
export type EmbeddingFormat = (typeof formats)[number];

/** All of them, for messages and option lists. */
export const embeddingFormats: readonly EmbeddingFormat[] = formats;

/** A sink into a file that appears whole or not at all. */
export async function createFileSink(
  path: string,
  format: EmbeddingFormat,
): Promise<EmbeddingSink> {
  const file = await createAtomicFile(path);
  if (format === 'jsonl') {
    return {
      write: (ids, embeddings, dimensions) => file.write(toJsonLines(ids, embeddings, dimensions)),
      commit: file.commit,
      abort: file.abort,
    };
  }
  let rows = 0;
  let columns = 0;
  // The header is as long for every shape, so its final form is filled in last.
  await file.write(npyHeader(0, 0));
  return {
    write: async (ids, embeddings, dimensions) => {
      rows += ids.length;
      columns = dimensions;
      await file.write(npyValues(embeddings));
    },
    commit: async () => {
      await file.writeAt(0, npyHeader(rows, columns));
      await file.commit();
    },
    abort: file.abort,
  };
}

/** A sink into a stream such as standard output; npy, whose header counts rows, is held till then. */
export function createStreamSink(
  stream: NodeJS.WritableStream,
  format: EmbeddingFormat,
): EmbeddingSink {
  const send = (data: string | Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      stream.write(data, (error) => (error ? reject(error) : resolve()));
    });
  const held: Uint8Array[] = [];
  let rows = 0;
  let columns = 0;
  return {
    write: async (ids, embeddings, dimensions) => {
      rows += ids.length;
      columns = dimensions;
      if (format === 'jsonl') {
        await send(toJsonLines(ids, embeddings, dimensions));
      } else {
        held.push(npyValues(embeddings));
      }
    },
    commit: async () => {
      if (format === 'npy') {
        await send(Buffer.concat([npyHeader(rows, columns), ...held]));
      }
    },
    abort: async () => {},
  };
}

function toJsonLines(ids: readonly string[], embeddings: Float32Array, dimensions: number): string {
  return ids
    .map((id, row) => {
      const values = embeddings.subarray(row * dimensions, (row + 1) * dimensions);
      // Nine digits are enough to get the same float32 back.
      const digits = Array.from(values, (value) => Number(value.toPrecision(9)));
      return `${JSON.stringify({ id, embedding: digits })}\n`;
    })
    .join('');
}
