import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { makeFolder } from '#dist/files/folder.js';
import { temporaryFolder } from '../temporary_folder.js';

test('a folder is made with those above it, and left where it is there', async (context) => {
  const folder = join(await temporaryFolder(context), 'a/b/c');
  await makeFolder(folder);
  await makeFolder(`${folder}/`);
  assert.ok((await stat(folder)).isDirectory());
});

test('what cannot be made is said at once: below /proc, below a file, in place of a file', async (context) => {
  const folder = await temporaryFolder(context);
  await mkdir(join(folder, 'a'));
  const file = join(folder, 'a/file');
  await writeFile(file, '');
  await assert.rejects(makeFolder('/proc/simgpt/none'), { code: 'ENOENT' });
  await assert.rejects(makeFolder(join(file, 'b/c')), { code: 'ENOTDIR' });
  await assert.rejects(makeFolder(file), { code: 'EEXIST' });
});
