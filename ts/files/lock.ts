import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { SimgptError } from '../errors.js';
import { errorCode } from './json.js';

/** Who holds a lock: enough to tell a dead owner from a live one that got the same pid. */
interface Owner {
  readonly host: string;
  readonly bootId: string;
  readonly pid: number;
  readonly started: string;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long another live owner is waited for; then `ioFailed` names it. */
  readonly waitMs: number;
  readonly pollMs?: number;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return otherwise;
  }
}

/** Start time of a process in clock ticks since boot; '' where there is no such process or /proc. */
function startOf(pid: number): string {
  const status = readOr(`/proc/${pid}/stat`, '');
  // Field 22, counted after the command name, which may hold spaces and brackets.
  return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function self(): Owner {
  return {
    host: hostname(),
    bootId: readOr('/proc/sys/kernel/random/boot_id', '').trim(),
    pid: process.pid,
    started: startOf(process.pid),
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** A dead owner's lock is reclaimed, another host's never. */
function isStale(owner: Owner): boolean {
  const here = self();
  if (owner.host !== here.host) return false;
  if (owner.bootId !== here.bootId) return true;
  return !isAlive(owner.pid) || startOf(owner.pid) !== owner.started;
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value = JSON.parse(text) as Partial<Owner> | null;
    const { host, bootId, pid, started } = value ?? {};
    const whole =
      typeof host === 'string' &&
      typeof bootId === 'string' &&
      typeof started === 'string' &&
      Number.isSafeInteger(pid);
    return whole ? { host, bootId, pid: pid ?? 0, started } : undefined;
  } catch {
    return undefined;
  }
}

async function tryCreate(path: string): Promise<boolean> {
  // The lock appears with its owner in it, whole or not at all.
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await using file = await open(temporary, 'wx', 0o600);
  await file.writeFile(JSON.stringify(self()));
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(temporary);
  }
}

async function readOwner(path: string): Promise<{ text: string; owner: Owner | undefined }> {
  try {
    const text = await readFile(path, 'utf8');
    return { text, owner: parseOwner(text) };
  } catch {
    return { text: '', owner: undefined };
  }
}

/** Moves the lock aside only if it is still the one that was judged stale. */
async function reclaim(path: string, judged: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}.stale`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8').catch(() => '')) !== judged) {
    await link(aside, path).catch(() => undefined);
  }
  await unlink(aside).catch(() => undefined);
}

/** A lock file left by no one we can read: broken, and old enough not to be in the making. */
async function isBroken(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined);
  return status !== undefined && Date.now() - status.mtimeMs > 60_000;
}

/**
 * Holds `path` as a lock between processes until disposed. A lock whose owner died is reclaimed; a
 * live owner is waited for. Throws `ioFailed` naming the owner after `waitMs`, `cancelled` on abort.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<AsyncDisposable> {
  const { signal, waitMs, pollMs = 100 } = options;
  for (let waited = 0; ; waited += pollMs) {
    if (signal?.aborted)
      throw new SimgptError('cancelled', 'cancelled while waiting for another process');
    if (await tryCreate(path)) break;
    const { text, owner } = await readOwner(path);
    if (owner === undefined ? text !== '' && (await isBroken(path)) : isStale(owner)) {
      await reclaim(path, text);
      continue;
    }
    if (waited >= waitMs) {
      const name = owner === undefined ? 'an unknown process' : `${owner.host}, pid ${owner.pid}`;
      throw new SimgptError(
        'ioFailed',
        `${path}: expected the lock to become free; held by ${name}`,
      );
    }
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await unlink(path).catch(() => undefined);
    },
  };
}
