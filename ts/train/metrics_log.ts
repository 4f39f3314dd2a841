import { createHash } from 'node:crypto';
import { appendFile, open, readFile, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { SimgptError } from '../errors.js';
import { writeFailure } from '../files/atomic.js';
import { canonicalJson } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import { errorCode, isMissing } from '../files/json.js';

/** Where a metrics file stands: what a checkpoint remembers of it. */
export interface LogMark {
  readonly bytes: number;
  /** Of those bytes. */
  readonly sha256: string;
}

/** A file of JSON lines that goes back to a checkpoint's mark and then grows again. */
export interface MetricsLog extends AsyncDisposable {
  readonly append: (line: { readonly [name: string]: JsonValue }) => Promise<void>;
  /** Makes what was appended durable, and says where the file stands. */
  readonly mark: () => Promise<LogMark>;
}

/**
 * Opens `path` at a mark and forgets what follows it; without a mark, the file starts anew. Throws
 * SimgptError `fileInvalid` where the bytes up to the mark are not those it was made of.
 */
export async function openMetricsLog(path: string, mark?: LogMark): Promise<MetricsLog> {
  const hash = createHash('sha256');
  let end = mark?.bytes ?? 0;
  const file = await guarded(path, () => open(path, mark === undefined ? 'w+' : 'r+'));
  try {
    if (mark !== undefined) {
      await expectMark(path, file, mark, hash);
      await guarded(path, () => file.truncate(mark.bytes));
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    append: (line) =>
      guarded(path, async () => {
        const bytes = Buffer.from(`${canonicalJson(line)}\n`);
        for (let done = 0; done < bytes.length;) {
          const left = bytes.length - done;
          const { bytesWritten } = await file.write(bytes, done, left, end + done);
          done += bytesWritten;
        }
        hash.update(bytes);
        end += bytes.length;
      }),
    mark: () =>
      guarded(path, async () => {
        await file.datasync();
        return { bytes: end, sha256: hash.copy().digest('hex') };
      }),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/** Appends a line that need not survive a power cut. Throws SimgptError `ioFailed`. */
export async function appendLine(
  path: string,
  line: Readonly<Record<string, number>>,
): Promise<void> {
  await guarded(path, () => appendFile(path, `${JSON.stringify(line)}\n`));
}

/** Cuts what a kill left of a file's last line, so that the next one starts on its own. */
export async function cutTornLine(path: string): Promise<void> {
  const bytes = await guarded(path, () => readFile(path)).catch((error: unknown) => {
    if (isMissing(error instanceof Error ? error.cause : error)) return undefined;
    throw error;
  });
  if (bytes === undefined) return;
  await guarded(path, () => truncate(path, bytes.lastIndexOf(0x0a) + 1));
}

async function expectMark(
  path: string,
  file: FileHandle,
  mark: LogMark,
  hash: ReturnType<typeof createHash>,
): Promise<void> {
  const chunk = Buffer.alloc(1 << 20);
  for (let at = 0; at < mark.bytes;) {
    const { bytesRead } = await guarded(path, () =>
      file.read(chunk, 0, Math.min(chunk.length, mark.bytes - at), at),
    );
    if (bytesRead === 0) break;
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
  if (hash.copy().digest('hex') === mark.sha256) return;
  throw new SimgptError(
    'fileInvalid',
    `${path}: expected its first ${mark.bytes} bytes to be those of the checkpoint, ` +
      'they were changed since',
  );
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SimgptError || errorCode(error) === undefined) throw error;
    throw writeFailure(path, error);
  }
}
