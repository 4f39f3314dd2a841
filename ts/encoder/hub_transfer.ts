import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { SimgptError } from '../errors.js';
import { errorCode } from '../files/json.js';
import { regularFileSize } from './hub_cache.js';

/** A file of a repository as its listing describes it. */
export interface RemoteFile {
  readonly path: string;
  readonly size: number;
  /** Its name among the cache's blobs, which is its hash: sha256 where large, git's sha1 else. */
  readonly blob: string;
  readonly algorithm: 'sha256' | 'gitSha1';
}

/** The rest of a file from a byte on; `restarted` where the server sent it from the start. */
export interface Transfer {
  readonly restarted: () => boolean;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface TransferOptions {
  readonly start: (offset: number) => Promise<Transfer>;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (received: number) => void;
}

const attempts = 5;

function newHash(file: RemoteFile): Hash {
  if (file.algorithm === 'sha256') return createHash('sha256');
  return createHash('sha1').update(`blob ${file.size}\0`);
}

async function hashInto(hash: Hash, handle: FileHandle, bytes: number): Promise<void> {
  const buffer = Buffer.alloc(1 << 20);
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
    if (bytesRead === 0) return;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** Whether the blob is there with the size and hash of its listing. */
export async function isIntact(path: string, file: RemoteFile): Promise<boolean> {
  if ((await regularFileSize(path)) !== file.size) return false;
  await using handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  const hash = newHash(file);
  await hashInto(hash, handle, file.size);
  return hash.digest('hex') === file.blob;
}

/** What one attempt left: the bytes there are, hashed, and why it ended early. */
interface Progress {
  received: number;
  hash: Hash;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function receive(
  handle: FileHandle,
  file: RemoteFile,
  state: Progress,
  options: TransferOptions,
): Promise<void> {
  const transfer = await options.start(state.received);
  let first = true;
  for await (const chunk of transfer.chunks) {
    if (first && transfer.restarted()) {
      await handle.truncate(0);
      state.received = 0;
      state.hash = newHash(file);
    }
    first = false;
    if (state.received + chunk.length > file.size) {
      throw new SimgptError(
        'downloadFailed',
        `${file.path}: expected ${file.size} bytes, received more`,
      );
    }
    await writeAll(handle, chunk, state.received);
    state.hash.update(chunk);
    state.received += chunk.length;
    options.onBytes(state.received);
  }
  if (state.received < file.size) {
    throw new Error(`the transfer was cut at byte ${state.received} of ${file.size}`);
  }
}

function checkCancelled(signal: AbortSignal | undefined, cause?: unknown): void {
  if (signal?.aborted) {
    throw new SimgptError('cancelled', 'the download was cancelled', { cause });
  }
}

/** Receives until whole; attempts that bring no byte are limited, and the partial file stays. */
async function receiveWhole(
  handle: FileHandle,
  file: RemoteFile,
  state: Progress,
  options: TransferOptions,
): Promise<void> {
  for (let failures = 0; state.received < file.size;) {
    const before = state.received;
    checkCancelled(options.signal);
    try {
      await receive(handle, file, state, options);
    } catch (error) {
      checkCancelled(options.signal, error);
      failures = state.received > before ? 1 : failures + 1;
      if (!isPassing(error) || failures >= attempts) throw describeFailure(file, error);
      if (failures > 1) await sleep(250 * 2 ** failures);
    }
  }
}

/** Cut, timed out or busy: worth another attempt. What we refuse ourselves is not. */
function isPassing(error: unknown): boolean {
  if (error instanceof SimgptError) return false;
  const status =
    error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
  return status === undefined || status >= 500 || status === 408 || status === 429;
}

function describeFailure(file: RemoteFile, error: unknown): SimgptError {
  if (error instanceof SimgptError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new SimgptError(
    'downloadFailed',
    `${file.path}: ${reason}; run the same command again to resume`,
    { cause: error },
  );
}

async function openPartial(path: string): Promise<FileHandle> {
  const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  try {
    return await open(path, O_CREAT | O_RDWR | (O_NOFOLLOW ?? 0), 0o644);
  } catch (error) {
    const reason = errorCode(error) ?? String(error);
    throw new SimgptError('ioFailed', `${path}: cannot write: ${reason}`, { cause: error });
  }
}

/**
 * Fetches a blob to `path`, resuming `path.incomplete`. Nothing takes the blob's name before its
 * hash is right; a resumed file whose hash is wrong is fetched once more from the start.
 */
export async function fetchBlob(
  path: string,
  file: RemoteFile,
  options: TransferOptions,
): Promise<void> {
  const partial = `${path}.simgpt.incomplete`;
  for (;;) {
    await using handle = await openPartial(partial);
    const status = await handle.stat();
    if (!status.isFile()) {
      throw new SimgptError('ioFailed', `${partial}: expected a regular file`);
    }
    if (status.size > file.size) await handle.truncate(0);
    const state: Progress = {
      received: status.size > file.size ? 0 : status.size,
      hash: newHash(file),
    };
    const resumed = state.received > 0;
    await hashInto(state.hash, handle, state.received);
    await receiveWhole(handle, file, state, options);
    const digest = state.hash.digest('hex');
    if (digest === file.blob) {
      await handle.sync();
      await rename(partial, path);
      return;
    }
    await unlink(partial);
    if (resumed) continue;
    throw new SimgptError(
      'downloadFailed',
      `${file.path}: expected ${file.algorithm} ${file.blob}, received ${digest}; nothing was kept`,
    );
  }
}
