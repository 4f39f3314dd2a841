import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { readChecked } from '#dist/files/checked_json.js';
import { temporaryFolder } from '../temporary_folder.js';

const schema = z.strictObject({
  rate: z.number().min(0).max(1),
  kind: z.enum(['a', 'b']),
  items: z.array(z.strictObject({ name: z.string() })),
});

test('the first fault of a file is named with file, field and what is accepted', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'file.json');
  const good = { rate: 0.5, kind: 'a', items: [{ name: 'x' }] };
  const cases: readonly (readonly [text: string, says: string])[] = [
    ['{', 'expected JSON'],
    ['[]', 'field (whole file): expected a value of type object, received []'],
    [JSON.stringify({ ...good, rate: 2 }), 'field rate: expected at most 1 (number), received 2'],
    [JSON.stringify({ ...good, kind: 'c' }), 'field kind: expected "a" or "b", received "c"'],
    [
      JSON.stringify({ ...good, items: [{ name: 'x' }, { name: 1 }] }),
      'field items[1].name: expected a value of type string, received 1',
    ],
    [
      JSON.stringify({ ...good, more: 1 }),
      'field (whole file): expected no other fields, received "more"',
    ],
    [
      '{"rate":0,"kind":"a","items":[{"__proto__":{"name":"x"}}]}',
      'field items[0]: expected no key "__proto__", received one',
    ],
  ];
  for (const [text, says] of cases) {
    await writeFile(path, text);
    await assert.rejects(readChecked(path, schema), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'fileInvalid');
      assert.ok(error.message.startsWith(`${path}: `), error.message);
      assert.ok(error.message.includes(says), error.message);
      return true;
    });
  }
  await writeFile(path, JSON.stringify(good));
  assert.deepEqual(await readChecked(path, schema), good);
  await assert.rejects(readChecked(join(folder, 'none.json'), schema), { code: 'fileNotFound' });
});
