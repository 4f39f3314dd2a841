import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { copySafetensors, inspectSafetensors, readTensor } from '#dist/encoder/safetensors.js';
import { SimgptError } from '#dist/errors.js';
import { temporaryFolder } from '../encoder/model_folder.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';
import { disguises, edgeFiles } from './safetensors_edges.js';
import { randomSource, safetensorsBytes, tensor } from './safetensors_files.js';

/** 'ok', or the code and message of the refusal; anything but a SimgptError is a failure. */
async function verdictOf(path: string): Promise<'ok' | { code: string; message: string }> {
  try {
    await inspectSafetensors(path);
    return 'ok';
  } catch (error) {
    assert.ok(error instanceof SimgptError, String(error));
    return { code: error.code, message: error.message };
  }
}

test(`${edgeFiles.length} hand-made files get their exact verdict and code`, async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'edge.safetensors');
  assert.ok(edgeFiles.length >= 60);
  for (const { name, bytes, verdict } of edgeFiles) {
    writeFileSync(path, bytes);
    const found = await verdictOf(path);
    if (verdict === 'ok') assert.equal(found, 'ok', name);
    else {
      assert.ok(found !== 'ok', name);
      assert.equal(found.code, verdict[0], `${name}: ${found.message}`);
      assert.ok(found.message.includes(verdict[1]), `${name}: ${found.message}`);
      assert.ok(found.message.startsWith(`${path}: `), found.message);
    }
  }
});

test('14 pickles and other formats in disguise are refused, most by their name', async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'model.safetensors');
  assert.equal(disguises.length, 14);
  for (const [name, bytes] of disguises) {
    writeFileSync(path, bytes);
    const found = await verdictOf(path);
    assert.ok(found !== 'ok' && found.code === 'fileInvalid', name);
    if (/^(pickle protocol [2-5]|zip|NumPy|HDF5|GGUF|Git)/.test(name)) {
      assert.match(found.message, /tools\/convert\.py/, name);
    }
  }
});

test('what is no readable file is named', async () => {
  using folder = temporaryFolder();
  await assert.rejects(inspectSafetensors(join(folder.path, 'none')), {
    code: 'fileNotFound',
    message: /none: cannot open: No such file/,
  });
  mkdirSync(join(folder.path, 'dir'));
  const dir = verdictOf(join(folder.path, 'dir'));
  assert.match(JSON.stringify(await dir), /expected a regular file/);
  assert.match(JSON.stringify(await verdictOf('/dev/zero')), /expected a regular file/);
  await assert.rejects(inspectSafetensors('a\0b'), (error: unknown) => {
    return error instanceof RangeError || error instanceof TypeError;
  });
});

test('16-bit floats widen exactly', async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'halves.safetensors');
  const data = Buffer.alloc(2 * 65536 * 2);
  for (let bits = 0; bits < 65536; bits += 1) {
    data.writeUInt16LE(bits, 2 * bits);
    data.writeUInt16LE(bits, 131072 + 2 * bits);
  }
  const header = {
    half: tensor('F16', [256, 256], 0, 131072),
    brain: tensor('BF16', [65536], 131072, 262144),
    whole: tensor('I64', [0], 262144, 262144),
  };
  writeFileSync(path, safetensorsBytes(header, data));
  const half = await readTensor(path, 'half');
  const brain = await readTensor(path, 'brain');
  const word = new DataView(new ArrayBuffer(4));
  for (let bits = 0; bits < 65536; bits += 1) {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const normal = 2 ** (exponent - 15) * (1 + fraction / 1024);
    const special = fraction === 0 ? Infinity : NaN;
    const size = exponent === 31 ? special : exponent === 0 ? fraction * 2 ** -24 : normal;
    assert.ok(Object.is(half[bits], sign * size) || Number.isNaN(size), `float16 ${bits}`);
    assert.equal(Number.isNaN(half[bits]), Number.isNaN(size));
    word.setUint32(0, bits << 16);
    assert.ok(Object.is(brain[bits], word.getFloat32(0)), `bfloat16 ${bits}`);
  }
  await assert.rejects(readTensor(path, 'whole'), {
    code: 'fileInvalid',
    message: /tensor "whole", field dtype: expected F32, F16 or BF16, received I64/,
  });
  await assert.rejects(readTensor(path, 'other'), { message: /expected a tensor "other"/ });
});

test('copies are deterministic, renamed, complete, and leave nothing behind', async () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source.safetensors');
  const target = join(folder.path, 'target.safetensors');
  const data = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const header = { z: tensor('U8', [2], 0, 2), a: tensor('F32', [2], 2, 10) };
  writeFileSync(source, safetensorsBytes(header, data));
  const tensors = [
    { from: 'z', to: 'bytes' },
    { from: 'a', to: 'q"\\\u0001名' },
  ];
  await copySafetensors(target, [{ path: source, tensors }]);
  const first = readFileSync(target);
  await copySafetensors(target, [{ path: source, tensors: [...tensors].reverse() }]);
  assert.deepEqual(readFileSync(target), first);
  const { metadata, tensors: written } = await inspectSafetensors(target);
  assert.deepEqual(metadata, [['format', 'pt']]);
  assert.deepEqual(written, [
    { name: 'q"\\\u0001名', dtype: 'F32', shape: [2], bytes: 8 },
    { name: 'bytes', dtype: 'U8', shape: [2], bytes: 2 },
  ]);
  assert.deepEqual([...first.subarray(-10)], [3, 4, 5, 6, 7, 8, 9, 10, 1, 2]);
  const missing = [{ path: source, tensors: [{ from: 'no', to: 'no' }] }];
  await assert.rejects(copySafetensors(target, missing), { code: 'fileInvalid' });
  const twice = [
    { path: source, tensors: [tensors[0], tensors[0]].filter((row) => row !== undefined) },
  ];
  await assert.rejects(copySafetensors(target, twice), /each tensor name once/);
  assert.deepEqual(readFileSync(target), first);
  const nowhere = join(folder.path, 'none/target.safetensors');
  await assert.rejects(copySafetensors(nowhere, [{ path: source, tensors }]), { code: 'ioFailed' });
  assert.deepEqual(readdirSync(folder.path).sort(), ['source.safetensors', 'target.safetensors']);
});

test('a copy keeps the rows that it is told to, in their order', async () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source.safetensors');
  const target = join(folder.path, 'target.safetensors');
  const data = Buffer.from([...Array(16).keys()]);
  const header = { a: tensor('U8', [5, 2], 0, 10), b: tensor('I16', [3], 10, 16) };
  writeFileSync(source, safetensorsBytes(header, data));
  const copy = async (rows: readonly number[], from = 'a'): Promise<readonly number[]> => {
    const tensors = [{ from, to: 'kept', rows: Int32Array.from(rows) }];
    await copySafetensors(target, [{ path: source, tensors }]);
    const { tensors: written } = await inspectSafetensors(target);
    assert.deepEqual(written[0]?.shape, from === 'a' ? [rows.length, 2] : [rows.length]);
    const bytes = written[0]?.bytes ?? 0;
    return bytes === 0 ? [] : [...readFileSync(target).subarray(-bytes)];
  };
  assert.deepEqual(await copy([0, 1, 4]), [0, 1, 2, 3, 8, 9]);
  assert.deepEqual(await copy([3, 2, 2]), [6, 7, 4, 5, 4, 5]);
  assert.deepEqual(await copy([1, 2], 'b'), [12, 13, 14, 15]);
  assert.deepEqual(await copy([]), []);
  for (const rows of [[5], [-1], [0, 2 ** 31 - 1]]) {
    await assert.rejects(
      copy(rows),
      /^RangeError: expected rows of tensor "a" below 5, received -?\d/,
    );
  }
});

/** Every bit pattern of a float16, widened by the rule of IEEE 754. */
function widen(half: number): number {
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
  const magnitude =
    exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return half & 0x8000 ? -magnitude : magnitude;
}

test('float32 becomes the nearest float16, ties to even, and comes back', async () => {
  using folder = temporaryFolder();
  const [source, target, back] = ['source', 'target', 'back'].map((name) =>
    join(folder.path, `${name}.safetensors`),
  ) as [string, string, string];
  const finite = [...Array(0x10000).keys()].filter((half) => ((half >> 10) & 31) !== 31);
  // Each value, then the middle between it and the next one outwards, and a little below and above.
  const cases: [value: number, half: number][] = finite.flatMap((half) => {
    const [value, next] = [widen(half), widen(half + 1)];
    if ((half & 0x7fff) === 0x7bff) return [[value, half]];
    const middle = (value + next) / 2;
    const step = (next - value) / 256;
    const even = half % 2 === 0 ? half : half + 1;
    return [
      [value, half],
      [middle, even],
      [middle - step, half],
      [middle + step, half + 1],
    ];
  });
  cases.push([65519.99, 0x7bff], [-65519.99, 0xfbff], [1e-30, 0], [-1e-30, 0x8000]);
  const values = Float32Array.from(cases, ([value]) => value);
  const write = (list: Float32Array): void => {
    const header = { a: tensor('F32', [list.length], 0, list.byteLength) };
    writeFileSync(source, safetensorsBytes(header, Buffer.from(list.buffer)));
  };
  write(values);
  const copy = (from: string, to: string, dtype: 'F16' | 'F32'): Promise<void> =>
    copySafetensors(to, [{ path: from, tensors: [{ from: 'a', to: 'a', dtype }] }]);
  await copy(source, target, 'F16');
  const written = readFileSync(target).subarray(-2 * values.length);
  for (const [i, [value, half]] of cases.entries()) {
    assert.equal(written.readUInt16LE(2 * i), half, `${value}`);
  }
  await copy(target, back, 'F32');
  const widened = await readTensor(back, 'a');
  for (const [i, [, half]] of cases.entries()) assert.equal(widened[i], widen(half));
  for (const bad of [65520, -1e30, Infinity, NaN]) {
    write(Float32Array.of(1, bad));
    await assert.rejects(copy(source, target, 'F16'), {
      code: 'unsupported',
      message: /tensor "a": expected values that float16 holds \(below 65520\), received /,
    });
  }
  writeFileSync(source, safetensorsBytes({ a: tensor('I32', [1], 0, 4) }, 4));
  await assert.rejects(copy(source, target, 'F16'), {
    code: 'unsupported',
    message: /received I32/,
  });
});

test('a copy that is cancelled leaves the old file', async () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source.safetensors');
  const target = join(folder.path, 'target.safetensors');
  writeFileSync(source, safetensorsBytes({ a: tensor('U8', [64], 0, 64) }, 64));
  writeFileSync(target, 'old');
  const sources = [{ path: source, tensors: [{ from: 'a', to: 'a' }] }];
  const signal = AbortSignal.abort();
  await assert.rejects(copySafetensors(target, sources, { signal }), { code: 'cancelled' });
  assert.equal(readFileSync(target, 'utf8'), 'old');
});

test('a file cut at any byte of its header or data is refused', async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'cut.safetensors');
  const header = { a: tensor('F32', [3, 2], 0, 24), b: tensor('F16', [4], 24, 32) };
  const bytes = safetensorsBytes(header, 32);
  writeFileSync(path, bytes);
  assert.equal(await verdictOf(path), 'ok');
  for (let length = bytes.length - 1; length >= 0; length -= 1) {
    truncateSync(path, length);
    const found = await verdictOf(path);
    assert.ok(found !== 'ok' && found.code === 'fileInvalid', `${length} bytes`);
  }
});

const interesting = ['0', '-1', '1', '4', '8', '9223372036854775807', '18446744073709551615'];
const words = ['null', 'true', '[]', '{}', '""', '"F32"', '"BF16"', '1e3', '0.5', ...interesting];

/** One to three structural edits of a valid header, and sometimes of the length or the data. */
function mutate(seed: number): Uint8Array {
  const random = randomSource(seed);
  let text = JSON.stringify({
    __metadata__: { format: 'pt' },
    'embeddings.weight': tensor('F32', [4, 2], 0, 32),
    'layer.0.bias': tensor('F16', [4], 32, 40),
    'layer.0.ids': tensor('I64', [1, 2], 40, 56),
  });
  for (let edits = 1 + random(3); edits > 0; edits -= 1) {
    const places = [...text.matchAll(/\d+|"[^"]*"|[[\]{},:]/g)];
    const place = places[random(places.length)];
    if (place === undefined) break;
    const [before, after] = [text.slice(0, place.index), text.slice(place.index + place[0].length)];
    const other = places[random(places.length)]?.[0] ?? '';
    const choices = ['', place[0] + place[0], other, words[random(words.length)] ?? ''];
    text = before + (choices[random(choices.length)] ?? '') + after;
  }
  const data = 56 + (random(8) === 0 ? random(16) - 8 : 0);
  const bytes = Buffer.from(safetensorsBytes(text, data));
  if (random(10) === 0) bytes[random(8)] = random(256);
  if (random(10) === 0) bytes[8 + random(bytes.length - 8)] = random(256);
  return bytes;
}

test('1,000 mutated headers: each is read or refused, memory stays flat', async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'mutated.safetensors');
  let [accepted, refused] = [0, 0];
  const before = process.memoryUsage().rss;
  for (let seed = 0; seed < 1000; seed += 1) {
    writeFileSync(path, mutate(seed));
    if ((await verdictOf(path)) === 'ok') accepted += 1;
    else refused += 1;
  }
  assert.equal(accepted + refused, 1000);
  assert.ok(refused > 800 && accepted > 5, `${accepted} accepted, ${refused} refused`);
  assert.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024);
});

test('all-MiniLM-L6-v2 is read as published', { skip: skipWithoutShared }, async () => {
  const path = join(sharedDir ?? '', 'models/all-MiniLM-L6-v2/model.safetensors');
  const { tensors, fileBytes } = await inspectSafetensors(path);
  assert.deepEqual([tensors.length, fileBytes], [104, 90868376]);
  const bias = await readTensor(path, 'embeddings.LayerNorm.bias');
  assert.equal(bias.length, 384);
  assert.ok(bias.every(Number.isFinite));
});
