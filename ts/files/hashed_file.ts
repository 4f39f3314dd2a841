import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';

import { createAtomicFile } from './atomic.js';
import { isMissing } from './json.js';

/** A file of lines that appears whole, and tells what it holds. */
export interface HashedFile {
  readonly writeLine: (line: string) => Promise<void>;
  /** Makes it durable under its name. */
  readonly commit: () => Promise<{
    readonly name: string;
    readonly rows: number;
    readonly sha256: string;
  }>;
  readonly abort: () => Promise<void>;
}

/** Characters that are written at once. */
const chunkLength = 1 << 18;

export async function createHashedFile(path: string): Promise<HashedFile> {
  const file = await createAtomicFile(path);
  const hash = createHash('sha256');
  let rows = 0;
  let chunk = '';
  const flush = async (): Promise<void> => {
    const bytes = Buffer.from(chunk);
    chunk = '';
    hash.update(bytes);
    if (bytes.length > 0) await file.write(bytes);
  };
  return {
    writeLine: async (line) => {
      rows += 1;
      chunk += `${line}\n`;
      if (chunk.length >= chunkLength) await flush();
    },
    commit: async () => {
      await flush();
      await file.commit();
      return { name: basename(path), rows, sha256: hash.digest('hex') };
    },
    abort: file.abort,
  };
}

/** Size and sha256 of a file, or undefined where there is none. */
export async function fingerprint(
  path: string,
): Promise<{ readonly bytes: number; readonly sha256: string } | undefined> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      const part = chunk as Buffer;
      hash.update(part);
      bytes += part.length;
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return { bytes, sha256: hash.digest('hex') };
}
