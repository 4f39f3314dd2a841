import { Readable, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SimgptError } from '../errors.js';

/** How far a compressed input may grow; beyond, SimgptError `dataInvalid` names the limit. */
export interface GzipLimits {
  /** Decompressed bytes for each compressed one, once `freeBytes` are passed. Default 200. */
  readonly maxRatio?: number;
  /** Decompressed bytes in all. Default 1 TB. */
  readonly maxBytes?: number;
  /** What may come out before the ratio counts: a small file may well be all one line. Default 16 MB. */
  readonly freeBytes?: number;
}

/** Whether bytes start as gzip does; no UTF-8 text starts so, nor does Parquet. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * What a gzip stream holds, several members joined. An error says after how many lines it was met:
 * a truncated or damaged stream, or one that grows beyond its limits.
 */
export async function* gunzip(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  { maxRatio = 200, maxBytes = 1e12, freeBytes = 16 * 2 ** 20 }: GzipLimits = {},
): AsyncGenerator<Uint8Array> {
  const inflate = createGunzip({ chunkSize: 1 << 18 });
  // The loop below hears every error: pipeline destroys the last stream with it.
  pipeline(Readable.from(chunks, { objectMode: false }), inflate, () => {});
  let bytes = 0;
  let line = 1;
  const refuse = (reason: string, cause?: unknown): SimgptError =>
    new SimgptError('dataInvalid', `${name}, line ${line}: ${reason}`, { cause });
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        throw refuse(`expected at most ${maxBytes} bytes once decompressed, received more`);
      }
      if (bytes > freeBytes && bytes > maxRatio * inflate.bytesWritten) {
        throw refuse(
          `expected at most ${maxRatio} bytes decompressed for each compressed one, ` +
            `received ${bytes} from ${inflate.bytesWritten}`,
        );
      }
      yield chunk;
      line += countLineFeeds(chunk);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code.startsWith('Z_')) {
      const found = code === 'Z_BUF_ERROR' ? 'a stream that ends too early' : 'damaged bytes';
      throw refuse(`expected gzip data to its end, received ${found}`, error);
    }
    throw error;
  }
}

function countLineFeeds(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) {
    count++;
  }
  return count;
}
