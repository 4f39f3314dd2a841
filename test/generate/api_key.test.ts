import assert from 'node:assert/strict';
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { keyRedactor, readApiKey } from '#dist/generate/api_key.js';
import { temporaryFolder } from '../temporary_folder.js';

const key = 'sk-canary/7f3a+91c2 d4e8'.replace(' ', '=');

test('the key comes from a 0600 file, else from the environment, else there is none', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'key');
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  assert.equal(await readApiKey(file, { OPENAI_API_KEY: 'other' }), key);
  assert.equal(await readApiKey(undefined, { OPENAI_API_KEY: ' k1 ' }), 'k1');
  assert.equal(await readApiKey(undefined, { OPENAI_API_KEY: '' }), undefined);
  assert.equal(await readApiKey(undefined, {}), undefined);
});

test('a key file that others may read, a link, or a broken key is refused without naming the key', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'key');
  const refused = async (code: string, pattern: RegExp, path = file): Promise<void> => {
    await assert.rejects(readApiKey(path, {}), (error: Error) => {
      assert.match(error.message, pattern);
      assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes('canary'));
      return 'code' in error && error.code === code;
    });
  };
  await refused('fileNotFound', /expected a file that holds the API key/);
  writeFileSync(file, key, { mode: 0o600 });
  for (const mode of [0o640, 0o604, 0o660, 0o644]) {
    chmodSync(file, mode);
    await refused('fileInvalid', /expected mode 0600, received 06/);
  }
  chmodSync(file, 0o600);
  const link = join(folder, 'link');
  symlinkSync(file, link);
  await refused('fileInvalid', /expected a regular file/, link);
  for (const text of [`${key}\nmore`, 'sk-canary with spaces', '', `${key}\0`]) {
    writeFileSync(file, text);
    await refused('fileInvalid', /expected an API key/);
  }
  writeFileSync(file, 'canary'.repeat(1000));
  await refused('fileInvalid', /expected at most 4096 bytes/);
});

test('the key is blanked as it is, in its URL form, and in base64 at every offset', () => {
  const redact = keyRedactor(key);
  const places: string[] = [key, encodeURIComponent(key)];
  for (const before of ['', 'x', 'xx', 'Bearer ', 'user:']) {
    for (const after of ['', 'y', '!!']) {
      for (const form of ['base64', 'base64url'] as const) {
        places.push(Buffer.from(`${before}${key}${after}`).toString(form));
      }
    }
  }
  for (const place of places) {
    const text = redact(`error: ${place} is wrong`);
    assert.ok(text.startsWith('error: ') && text.includes('[key]') && text.endsWith(' is wrong'));
    assert.ok(!text.includes('canary') && text.length < 40, text);
  }
  assert.equal(keyRedactor(undefined)('plain'), 'plain');
});
