import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { acquireLock } from '#dist/files/lock.js';
import { temporaryFolder } from '../temporary_folder.js';

test('one owner at a time: the next waits, then has it', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'file.lock');
  const first = await acquireLock(path, { waitMs: 0 });
  await assert.rejects(acquireLock(path, { waitMs: 0 }), {
    code: 'ioFailed',
    message: new RegExp(`held by .*pid ${process.pid}`),
  });
  const second = acquireLock(path, { waitMs: 60_000, pollMs: 5 });
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(folder), []);
});

test("a dead owner's lock is reclaimed, another host's never", async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'file.lock');
  const lock = import.meta.resolve('#dist/files/lock.js');
  const code = `const { acquireLock } = await import(process.argv[1]);
    await acquireLock(process.argv[2], { waitMs: 0 }); process.kill(process.pid, 'SIGKILL');`;
  const killed = spawnSync(process.execPath, ['--input-type=module', '-e', code, lock, path]);
  assert.equal(killed.signal, 'SIGKILL');
  assert.ok(existsSync(path));
  const left = JSON.parse(readFileSync(path, 'utf8')) as object;
  const mine = await acquireLock(path, { waitMs: 0 });
  await mine[Symbol.asyncDispose]();

  // The same pid, alive again as another process, is not the owner.
  writeFileSync(path, JSON.stringify({ ...left, pid: process.pid, started: '1' }));
  await (await acquireLock(path, { waitMs: 0 }))[Symbol.asyncDispose]();

  writeFileSync(path, JSON.stringify({ ...left, host: 'elsewhere' }));
  await assert.rejects(acquireLock(path, { waitMs: 0 }), /held by elsewhere/);
  assert.ok(existsSync(path));
  const signal = AbortSignal.abort();
  await assert.rejects(acquireLock(path, { waitMs: 60_000, signal }), { code: 'cancelled' });
});
