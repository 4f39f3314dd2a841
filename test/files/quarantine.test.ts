import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createQuarantine } from '#dist/files/quarantine.js';
import { temporaryFolder } from '../temporary_folder.js';

test('bad rows become JSON lines; without any there is no file', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'q.jsonl');
  const none = createQuarantine(path);
  await none.commit();
  await none.abort();
  assert.deepEqual(await readdir(folder), []);

  const row = { file: 'a.csv', line: 3, field: 'text', reason: 'expected UTF-8' };
  const some = createQuarantine(path);
  await some.add(row);
  await some.add({ ...row, line: 4, field: null });
  assert.equal(some.count(), 2);
  await some.commit();
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [row, { ...row, line: 4, field: null }],
  );

  const dropped = createQuarantine(path);
  await dropped.add(row);
  await dropped.abort();
  assert.equal((await readFile(path, 'utf8')).trimEnd().split('\n').length, 2);

  // The rows of an earlier run are none of this one's.
  await createQuarantine(path).commit();
  assert.deepEqual(await readdir(folder), []);
});
