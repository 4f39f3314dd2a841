import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../temporary_folder.js';
import { fuzzParser, fuzzRun } from './hostile_fuzz.js';

test('a thousand hostile answers to all templates throw nothing and are kept to the letter', async () => {
  const { failures, counts } = await fuzzParser(11, 0, 1000);
  assert.deepEqual(failures, []);
  assert.ok((counts.get('kept') ?? 0) > 200, `kept ${counts.get('kept')}`);
  assert.ok(counts.size > 6, [...counts.keys()].join(', '));
});

test('a run of hostile answers alone stores them all, and makes no file of them', async (context) => {
  const root = await temporaryFolder(context);
  await mkdir(join(root, 'here'));
  const { failures, counts } = await fuzzRun(join(root, 'here'), 12, 500);
  assert.deepEqual(failures, []);
  assert.ok((counts.get('kept') ?? 0) > 100, `kept ${counts.get('kept')}`);
  assert.deepEqual(await readdir(root), ['here']);
});
