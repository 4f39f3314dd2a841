// A lock between processes: a file that names its owner. A lock whose owner is dead is reclaimed.
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname } from 'node:path';

const pollMs = 200;
// Only for owners on another machine, whose pid says nothing here, and for a reclaimer that died.
const silentMs = 120_000;

/**
 * Runs `work` while no other process holds `path`.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @param {{ onWait?: (owner: string) => void }} [options]
 * @returns {Promise<T>}
 */
export async function withLock(path, work, options = {}) {
  await mkdir(dirname(path), { recursive: true });
  const token = randomUUID();
  const candidate = `${path}.${token}`;
  let told = false;
  await writeOwner(candidate, token);
  try {
    while (!(await tryLink(candidate, path))) {
      const owner = await readOwner(path);
      if (owner !== undefined && (await isDead(owner, path))) {
        await reclaim(path, owner.token);
        continue;
      }
      if (owner !== undefined && !told) {
        told = true;
        options.onWait?.(
          `process ${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  } finally {
    await rm(candidate, { force: true });
  }
  const heartbeat = setInterval(() => void touch(path), silentMs / 6);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await readOwner(path))?.token === token) {
      await rm(path, { force: true });
    }
  }
}

// The owner is written before the name appears, so nobody ever reads half a lock.
async function writeOwner(path, token) {
  const file = await open(path, 'wx');
  const owner = { token, pid: process.pid, host: hostname(), started: startOf(process.pid) };
  await file.writeFile(JSON.stringify(owner));
  await file.close();
}

async function tryLink(from, to) {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

async function readOwner(path) {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') {
      return undefined;
    }
    return { token: '', pid: 0, host: '', started: '' };
  }
}

async function isDead(owner, path) {
  if (owner.host === hostname()) {
    const started = startOf(owner.pid);
    return !isRunning(owner.pid) || (started !== '' && started !== owner.started);
  }
  return isSilent(path, 'mtimeMs');
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// Field 22 of /proc/PID/stat: a pid that was given to a new process started at another time.
function startOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

// The right to remove one dead owner's lock is itself taken by a link, named after that owner, so a
// slow process can never remove the lock of the next one.
async function reclaim(path, token) {
  const right = `${path}.reclaim-${token}`;
  if (await tryLink(path, right).catch(() => false)) {
    if ((await readOwner(right))?.token === token) {
      await rm(path, { force: true });
    }
    await rm(right, { force: true });
  } else if (await isSilent(right, 'ctimeMs')) {
    await rm(right, { force: true });
  } else {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function isSilent(path, time) {
  try {
    return Date.now() - (await stat(path))[time] > silentMs;
  } catch {
    return false;
  }
}

async function touch(path) {
  try {
    const file = await open(path, 'r+');
    const now = new Date();
    await file.utimes(now, now);
    await file.close();
  } catch {
    // The lock was lost with its folder; the work itself ends with a rename that tells.
  }
}
