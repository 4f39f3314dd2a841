import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { GzipLimits } from '#dist/dataset/gzip.js';
import { fingerprintFile, openInput } from '#dist/dataset/input.js';
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

async function contentOf(path: string, limits?: GzipLimits): Promise<Buffer> {
  const { chunks } = await openInput(path, undefined, limits);
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

test('gzip is known by its bytes, whatever the name; several members are one stream', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'a.txt');
  await writeFile(path, Buffer.concat([gzipSync('one\n'), gzipSync('two\n')]));
  assert.equal((await contentOf(path)).toString(), 'one\ntwo\n');
  for (const content of ['', 'x', 'xy', '\u001f']) {
    await writeFile(path, content);
    assert.equal((await contentOf(path)).toString(), content);
  }
  await writeFile(`${path}.gz`, 'plain');
  await assert.rejects(contentOf(`${path}.gz`), {
    code: 'dataInvalid',
    message: /expected gzip data in .*a\.txt\.gz, received other bytes/,
  });
});

test('a gzip stream cut at any byte is refused with the line it broke off on', async (context) => {
  const path = join(await temporaryFolder(context), 'a.gz');
  const whole = gzipSync(Array.from({ length: 40 }, (_, i) => `line ${i * 7919}\n`).join(''));
  for (let length = 2; length < whole.length; length++) {
    await writeFile(path, whole.subarray(0, length));
    await assert.rejects(contentOf(path), {
      code: 'dataInvalid',
      message:
        /a\.gz, line \d+: expected gzip data to its end, received a stream that ends too early/,
    });
  }
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 6]! ^= 1; // In the checksum.
  await writeFile(path, damaged);
  await assert.rejects(contentOf(path), /received damaged bytes/);
});

test('a bomb is cut at the ratio and at the size, one byte below neither is met', async (context) => {
  const path = join(await temporaryFolder(context), 'a.gz');
  const size = 100_000;
  const packed = gzipSync(Buffer.alloc(size, 'a'));
  await writeFile(path, packed);
  const ratio = size / packed.length;
  assert.equal(
    (await contentOf(path, { maxBytes: size, maxRatio: ratio, freeBytes: 0 })).length,
    size,
  );
  await assert.rejects(
    contentOf(path, { maxBytes: size - 1 }),
    /expected at most 99999 bytes once/,
  );
  await assert.rejects(contentOf(path, { maxRatio: ratio * 0.99, freeBytes: 0 }), {
    code: 'dataInvalid',
    message: /expected at most .* bytes decompressed for each compressed one, received 100000 from/,
  });
  // By default: 64 MB of zeros are 65 KB of gzip.
  await writeFile(path, gzipSync(Buffer.alloc(2 ** 26)));
  await assert.rejects(contentOf(path), /expected at most 200 bytes decompressed/);
});

test('a file that changes while it is read is refused, and its fingerprint is its bytes', async (context) => {
  const path = join(await temporaryFolder(context), 'a.txt');
  await writeFile(path, 'one\n'.repeat(100_000));
  const { chunks } = await openInput(path);
  await assert.rejects(
    async () => {
      for await (const chunk of chunks) {
        assert.ok(chunk.length > 0);
        await appendFile(path, 'two\n');
      }
    },
    { code: 'dataInvalid', message: /expected .*a\.txt to stay as it is while it is read/ },
  );
  await writeFile(path, 'abc');
  assert.deepEqual(await fingerprintFile(path), {
    bytes: 3,
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  });
});
