import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { SimgptError } from '../errors.js';
import { errorCode } from './json.js';

/**
 * A file that appears under its name whole or not at all. End it with `commit` or `abort`; both may
 * be called again without effect.
 */
export interface AtomicFile {
  /** Appends. Throws SimgptError `ioFailed`; the file is then gone. */
  readonly write: (data: string | Uint8Array) => Promise<void>;
  /** Overwrites bytes from `position`, leaving the end where it is. */
  readonly writeAt: (position: number, data: Uint8Array) => Promise<void>;
  /** Makes the content durable and puts it in place of whatever had the name. */
  readonly commit: () => Promise<void>;
  /** Leaves the old target untouched and nothing behind. */
  readonly abort: () => Promise<void>;
}

/** Opens a temporary file beside `path` that `commit` renames to it. */
export async function createAtomicFile(path: string): Promise<AtomicFile> {
  const folder = dirname(resolve(path));
  const temporary = join(folder, temporaryName(basename(path)));
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  let handle: FileHandle | undefined = await open(
    temporary,
    // Windows has no O_NOFOLLOW; O_EXCL alone already refuses a link.
    O_CREAT | O_EXCL | O_WRONLY | (O_NOFOLLOW ?? 0),
  ).catch((error: unknown) => {
    throw writeFailure(path, error);
  });
  let end = 0;

  const abort = async (): Promise<void> => {
    const open_ = handle;
    handle = undefined;
    if (open_ !== undefined) {
      await open_.close().catch(() => {});
      await unlink(temporary).catch(() => {});
    }
  };
  const guarded = async (work: (file: FileHandle) => Promise<void>): Promise<void> => {
    if (handle === undefined) {
      throw new SimgptError('disposed', `expected ${path} to be open, it was ended before`);
    }
    try {
      await work(handle);
    } catch (error) {
      await abort();
      throw writeFailure(path, error);
    }
  };
  return {
    write: (data) =>
      guarded(async (file) => {
        const bytes = typeof data === 'string' ? Buffer.from(data) : data;
        await writeAll(file, bytes, end);
        end += bytes.length;
      }),
    writeAt: (position, data) => guarded((file) => writeAll(file, data, position)),
    commit: () =>
      guarded(async (file) => {
        await file.sync();
        await rename(temporary, path);
        handle = undefined;
        await file.close();
        await syncFolder(folder);
      }),
    abort,
  };
}

/** Writes a whole file: temporary beside it, fsync, rename, fsync of the folder. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const file = await createAtomicFile(path);
  await file.write(data);
  await file.commit();
}

/** Throws SimgptError `outputExists` where something has that name, link or file. */
export async function expectNewOutput(path: string, advice: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found !== undefined) {
    throw new SimgptError('outputExists', `expected no file at ${path}, found one; ${advice}`);
  }
}

function temporaryName(name: string): string {
  // Names hold at most 255 bytes, so a long one lends only its start.
  return `.${name.slice(0, 60)}.${randomBytes(6).toString('hex')}.tmp`;
}

async function writeAll(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, done, data.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes the names in a folder durable, a new file among them. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') {
    return;
  }
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What the file system refused, as one sentence with the place; an error of ours as it is. */
export function writeFailure(path: string, error: unknown): SimgptError {
  if (error instanceof SimgptError) return error;
  const reason = errorCode(error) ?? String(error);
  return new SimgptError('ioFailed', `could not write ${path}: ${reason}`, { cause: error });
}
