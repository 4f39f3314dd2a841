import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SimgptError } from '#dist/errors.js';
import { temporaryFolder } from '../temporary_folder.js';
import { randomSource } from './safetensors_files.js';
import { edgeFiles } from './tokenizer_edges.js';
import { smallByteLevel, smallWordPiece } from './tokenizer_models.js';
import { loadOurs, packed } from './tokenizer_oracle.js';

const probes = ['', 'abc [CLS] dead<mask>', "é한 it's", 'x'.repeat(3000), '\u0301\u0000 \n<s>'];

/** 'ok' after loading and tokenizing, or the refusal; anything but a SimgptError is a failure. */
async function verdictOf(path: string): Promise<'ok' | { code: string; message: string }> {
  try {
    const tokenizer = await loadOurs(path);
    const { bytes, offsets } = packed(probes);
    const { tokenIds, cuSeqlens, fullLengths } = await tokenizer.tokenize(bytes, offsets, {}, 0);
    const { maxId, specialCount } = tokenizer.info();
    assert.equal(cuSeqlens.length, probes.length + 1);
    assert.equal(cuSeqlens.at(-1), tokenIds.length);
    assert.ok(tokenIds.every((id) => id >= 0 && id <= maxId));
    assert.equal(fullLengths[0], specialCount);
    await tokenizer.dispose();
    return 'ok';
  } catch (error) {
    assert.ok(error instanceof SimgptError, String(error));
    return { code: error.code, message: error.message };
  }
}

test(`${edgeFiles.length} crafted tokenizer files get their exact verdict`, async (context) => {
  const path = join(await temporaryFolder(context), 'tokenizer.json');
  assert.ok(edgeFiles.length >= 216);
  const before = process.memoryUsage.rss();
  for (const { name, text, verdict } of edgeFiles) {
    writeFileSync(path, text);
    const found = await verdictOf(path);
    if (verdict === 'ok') {
      assert.equal(found, 'ok', `${name}: ${JSON.stringify(found)}`);
      continue;
    }
    assert.ok(found !== 'ok', name);
    assert.match(found.code, verdict[0], `${name}: ${found.message}`);
    assert.ok(found.message.includes(verdict[1]), `${name}: ${found.message}`);
    assert.ok(found.message.startsWith(`${path}: `), found.message);
    assert.ok(!/\p{Cc}/u.test(found.message), `${name}: ${found.message}`);
  }
  assert.ok(process.memoryUsage.rss() - before < 256 * 2 ** 20);
});

test('what is no readable file, or too large a one, is named before it is read', async (context) => {
  const folder = await temporaryFolder(context);
  const none = join(folder, 'none.json');
  assert.deepEqual(await verdictOf(none), {
    code: 'fileNotFound',
    message: `${none}: cannot be opened: No such file or directory`,
  });
  mkdirSync(join(folder, 'dir'));
  assert.notEqual(await verdictOf(join(folder, 'dir')), 'ok');
  const large = join(folder, 'large.json');
  writeFileSync(large, '{');
  truncateSync(large, 129 * 2 ** 20);
  const found = await verdictOf(large);
  assert.ok(found !== 'ok' && found.code === 'tokenizerInvalid', JSON.stringify(found));
});

const scalars = [
  'null',
  'true',
  'false',
  '-1',
  '0',
  '7',
  '1e3',
  '4294967295',
  '1e999',
  '""',
  '"a"',
];
const others = [
  '[]',
  '{}',
  '"[CLS]"',
  '"\\ud800"',
  '[[[]]]',
  '{"type":"BPE"}',
  '"Ġ a"',
  '"BertNormalizer"',
];

/** One text near a valid tokenizer.json; the same for the same seed. */
function mutation(seed: number): Uint8Array {
  const below = randomSource(seed);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  let text = JSON.stringify(seed % 2 === 0 ? smallWordPiece() : smallByteLevel());
  for (let edits = 1 + below(2); edits > 0; edits--) {
    // Where a value begins, or anywhere.
    const values = [...text.matchAll(/(?<=[:,[])(?:"(?:[^"\\]|\\.)*"|-?\d+|true|false|null)/g)];
    const value = pick(values);
    const at = below(text.length);
    switch (below(6)) {
      case 0:
      case 1:
        text =
          text.slice(0, value.index) +
          pick([...scalars, ...others]) +
          text.slice(value.index + value[0].length);
        break;
      case 2:
        text = text.slice(0, value.index) + text.slice(value.index + value[0].length + 1);
        break;
      case 3:
        text =
          text.slice(0, at) +
          pick(['{', '}', '[', ']', ',', ':', '"', '\\', '0', '\u0000']) +
          text.slice(at + 1);
        break;
      case 4:
        text = text.slice(0, at) + text.slice(at + 1 + below(40));
        break;
      default:
        text =
          text.slice(0, at) + text.slice(below(text.length)).slice(0, below(60)) + text.slice(at);
    }
  }
  const bytes = Buffer.from(text);
  if (below(4) === 0 && bytes.length > 0) bytes[below(bytes.length)] = below(256);
  return bytes;
}

test('1,000 mutated tokenizer files load or are refused, within memory', async (context) => {
  const path = join(await temporaryFolder(context), 'tokenizer.json');
  const before = process.memoryUsage.rss();
  let accepted = 0;
  for (let seed = 1; seed <= 1000; seed++) {
    writeFileSync(path, mutation(seed));
    const found = await verdictOf(path);
    if (found === 'ok') accepted++;
    else assert.match(found.code, /^(?:tokenizerInvalid|unsupported)$/, `seed ${seed}`);
  }
  assert.ok(accepted > 10 && accepted < 500, `${accepted} accepted`);
  assert.ok(process.memoryUsage.rss() - before < 256 * 2 ** 20);
});
