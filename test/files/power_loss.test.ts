import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournal } from '#dist/files/journal.js';
import { powerLoss, writeGroups } from '../soak/power_rows.js';
import { temporaryFolder } from '../temporary_folder.js';
import { memoryFile } from './memory_file.js';

test('every acknowledged record survives a power cut, and one while it is mended (800)', async (t) => {
  const root = await temporaryFolder(t);
  const { trials, failures } = await powerLoss({ root, seed: 3, count: 400 });
  assert.deepEqual([trials, failures], [800, []]);
});

test('a sector lost from a group that was durable is damage, never cut', async (context) => {
  const path = join(await temporaryFolder(context), 'journal');
  const file = memoryFile(Buffer.alloc(0));
  const groups = [1, 2, 3].map((id) => [{ id: `${id}`, text: 'x'.repeat(2000) }]);
  await writeGroups(
    path,
    async () => file,
    groups,
    () => undefined,
    [],
  );
  const whole = file.durable();
  const lost = Buffer.from(whole);
  lost.fill(0, 1024, 1536);
  const other = memoryFile(lost);
  const opening = openJournal(path, { openFile: async () => other });
  await assert.rejects(opening, { code: 'fileInvalid', message: /damaged at byte/ });
  assert.deepEqual(other.bytes(), lost, 'left as it is');
  const zeros = memoryFile(Buffer.alloc(4096));
  await assert.rejects(openJournal(path, { openFile: async () => zeros }), {
    code: 'fileInvalid',
  });
  assert.equal(zeros.bytes().length, 4096, 'a file that is no journal is not emptied');
});
