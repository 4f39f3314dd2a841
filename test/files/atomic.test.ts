import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAtomicFile, expectNewOutput, writeFileAtomic } from '#dist/files/atomic.js';
import { temporaryFolder } from '../temporary_folder.js';

test('a committed file replaces the old one whole, and nothing else is left', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'out.bin');
  await writeFile(path, 'old');
  const file = await createAtomicFile(path);
  await file.write('....');
  await file.write('tail');
  await file.writeAt(0, Buffer.from('head'));
  assert.equal(await readFile(path, 'utf8'), 'old');
  await file.commit();
  assert.equal(await readFile(path, 'utf8'), 'headtail');
  assert.deepEqual(await readdir(folder), ['out.bin']);
});

test('an aborted file leaves the old one untouched, and may be aborted again', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'out.bin');
  await writeFile(path, 'old');
  const file = await createAtomicFile(path);
  await file.write('new');
  await file.abort();
  await file.abort();
  assert.equal(await readFile(path, 'utf8'), 'old');
  assert.deepEqual(await readdir(folder), ['out.bin']);
  await assert.rejects(file.write('more'), { code: 'disposed' });
});

test('a failure names the path and its cause and leaves nothing behind', async (context) => {
  const folder = await temporaryFolder(context);
  const missing = join(folder, 'none', 'out.bin');
  await assert.rejects(writeFileAtomic(missing, 'x'), {
    code: 'ioFailed',
    message: `could not write ${missing}: ENOENT`,
  });
  const taken = join(folder, 'taken');
  await mkdir(taken);
  await assert.rejects(writeFileAtomic(taken, 'x'), { code: 'ioFailed', message: /EISDIR/ });
  assert.deepEqual(await readdir(folder), ['taken']);
});

test('a link in the way is replaced, not followed', async (context) => {
  const folder = await temporaryFolder(context);
  const target = join(folder, 'target');
  const link = join(folder, 'link');
  await writeFile(target, 'safe');
  await symlink(target, link);
  await assert.rejects(expectNewOutput(link, 'pass --overwrite'), { code: 'outputExists' });
  await writeFileAtomic(link, 'new');
  assert.equal(await readFile(target, 'utf8'), 'safe');
  assert.equal(await readFile(link, 'utf8'), 'new');
});

test('a free name passes, a dangling link does not', async (context) => {
  const folder = await temporaryFolder(context);
  await expectNewOutput(join(folder, 'free'), '');
  await symlink(join(folder, 'nowhere'), join(folder, 'dangling'));
  await assert.rejects(expectNewOutput(join(folder, 'dangling'), 'pass --overwrite'), {
    code: 'outputExists',
    message: /expected no file at .*dangling, found one; pass --overwrite/,
  });
});

test('a name as long as a name may be is written', async (context) => {
  const folder = await temporaryFolder(context);
  const name = 'n'.repeat(255);
  await writeFileAtomic(join(folder, name), 'x');
  assert.deepEqual(await readdir(folder), [name]);
});
