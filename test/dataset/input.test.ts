import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openInput } from '#dist/dataset/input.js';
import { readLines } from '#dist/dataset/lines.js';
import { temporaryFolder } from '../temporary_folder.js';

test('a missing file, a folder and a device are refused by name', async (context) => {
  const folder = await temporaryFolder(context);
  await assert.rejects(openInput(join(folder, 'none.txt')), {
    code: 'fileNotFound',
    message: `expected a file at ${join(folder, 'none.txt')}, found none`,
  });
  await assert.rejects(openInput(folder), { code: 'fileInvalid', message: /received a directory/ });
  await assert.rejects(openInput('/dev/zero'), { code: 'fileInvalid', message: /a device/ });
});

test('lines are split on the line feed alone, in chunks of any size', async () => {
  const text = 'a\u2028b\u0085c\rd\r\n\r\n\n😀 e\f\n';
  for (const size of [1, 2, 3, 100]) {
    const bytes = Buffer.from(text);
    const chunks = (async function* () {
      for (let i = 0; i < bytes.length; i += size) {
        yield bytes.subarray(i, i + size);
      }
    })();
    const lines: (string | undefined)[] = [];
    for await (const line of readLines(chunks, { maxBytes: 100 })) {
      lines.push(line.text);
    }
    assert.deepEqual(lines, ['a\u2028b\u0085c\rd', '', '', '😀 e\f']);
  }
});
