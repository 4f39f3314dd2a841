import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { repoRoot } from '../shared_data.js';

const script = pathToFileURL(join(repoRoot, 'scripts/setup/lock.mjs')).href;
const { withLock } = (await import(script)) as {
  readonly withLock: <T>(path: string, work: () => Promise<T>) => Promise<T>;
};

const sandbox = mkdtempSync(join(tmpdir(), 'simgpt-lock-'));
after(() => rmSync(sandbox, { recursive: true, force: true }));

// Each process adds one to a number in a file, slowly enough to lose counts without the lock.
const incrementer = `
  import { withLock } from ${JSON.stringify(script)};
  import { readFileSync, writeFileSync } from 'node:fs';
  const [lock, counter] = process.argv.slice(1);
  for (let round = 0; round < 5; round++) {
    await withLock(lock, async () => {
      const value = Number(readFileSync(counter, 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 5));
      writeFileSync(counter, String(value + 1));
    });
  }
`;

test('four processes never hold the lock at once, and a dead owner in their way is reclaimed', async () => {
  const lock = join(sandbox, 'counter.lock');
  const counter = join(sandbox, 'counter');
  writeFileSync(counter, '0');
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(lock, JSON.stringify({ token: 't', pid: dead, host: hostname(), started: '1' }));
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', incrementer, lock, counter], {
      stdio: 'inherit',
    }),
  );
  const codes = await Promise.all(
    children.map((child) => new Promise((resolve) => child.on('exit', resolve))),
  );
  assert.deepEqual(codes, [0, 0, 0, 0]);
  assert.equal(readFileSync(counter, 'utf8'), '20');
  assert.equal(existsSync(lock), false);
});

test('a living process that got the dead owner’s pid does not keep the lock alive', async () => {
  const lock = join(sandbox, 'reused.lock');
  const owner = { token: 'u', pid: process.pid, host: hostname(), started: 'long ago' };
  writeFileSync(lock, JSON.stringify(owner));
  assert.equal(await withLock(lock, async () => 'done'), 'done');
});

test('the lock is given back when the work throws', async () => {
  const lock = join(sandbox, 'thrown.lock');
  await assert.rejects(
    withLock(lock, () => Promise.reject(new Error('work failed'))),
    /work failed/,
  );
  assert.equal(existsSync(lock), false);
});
