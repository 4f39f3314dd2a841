import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { repoRoot } from '../shared_data.js';
import { makeZip } from './zip_fixture.js';
import type { Member } from './zip_fixture.js';

interface Pin {
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
  readonly wanted: (name: string) => boolean;
}

interface ArchiveModule {
  readonly unpackPinned: (
    path: string,
    pin: Pin,
    target: string,
    options?: { executable?: (name: string) => boolean },
  ) => Promise<{ files: number; bytes: number }>;
}

const script = pathToFileURL(join(repoRoot, 'scripts/setup/archive.mjs')).href;
const { unpackPinned } = (await import(script)) as ArchiveModule;

const sandbox = mkdtempSync(join(tmpdir(), 'simgpt-archive-'));
after(() => rmSync(sandbox, { recursive: true, force: true }));

const members: readonly Member[] = [
  { name: 'torch/lib/libc10.so', data: Buffer.alloc(5000, 'c10 ') },
  { name: 'torch/include/ATen/ATen.h', data: '#pragma once\n' },
  { name: 'torch/lib/stored.so', data: 'stored as it is', stored: true },
  { name: 'torch/bin/nvcc', data: '#!/bin/sh\n' },
];

function pinOf(archive: Buffer): Pin {
  const sha256 = createHash('sha256').update(archive).digest('hex');
  return { file: 'made_up.whl', size: archive.length, sha256, wanted: () => true };
}

let trial = 0;

/** Unpacks into a fresh folder; tells what was accepted and every file that lies in the folder around it. */
async function attempt(archive: Buffer, pin: Pin) {
  const outer = join(sandbox, String(trial++));
  const target = join(outer, 'a/b/target');
  mkdirSync(target, { recursive: true });
  const path = join(outer, 'archive.whl');
  writeFileSync(path, archive);
  let error: Error | undefined;
  try {
    await unpackPinned(path, pin, target, { executable: (name) => name.includes('/bin/') });
  } catch (caught) {
    error = caught as Error;
  }
  const all = readdirSync(outer, { recursive: true, withFileTypes: true });
  const files = all
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => file !== path);
  return { error, target, files, outside: files.filter((file) => !file.startsWith(target)) };
}

test('a pinned archive is unpacked whole, with run bits where asked', async () => {
  const archive = makeZip(members);
  const { error, target, files, outside } = await attempt(archive, pinOf(archive));
  assert.equal(error, undefined);
  assert.equal(files.length, members.length);
  assert.equal(outside.length, 0);
  for (const { name, data } of members) {
    assert.deepEqual(readFileSync(join(target, name)), Buffer.from(data));
  }
  assert.equal(statSync(join(target, 'torch/bin/nvcc')).mode & 0o111, 0o111);
  assert.equal(statSync(join(target, 'torch/lib/libc10.so')).mode & 0o111, 0);
});

test('sizes and offsets in ZIP64 fields are read', async () => {
  const archive = makeZip(members.map((member) => ({ ...member, zip64: true })));
  const { error, files } = await attempt(archive, pinOf(archive));
  assert.equal(error, undefined);
  assert.equal(files.length, members.length);
});

// The archive differs from its pin: nothing of it may be written.
function alteredArchives(): Buffer[] {
  const good = makeZip(members);
  const altered: Buffer[] = [];
  for (let flip = 0; flip < 20; flip++) {
    const copy = Buffer.from(good);
    const at = Math.floor((flip * (good.length - 1)) / 19);
    copy[at] = copy[at]! ^ (1 << (flip % 8));
    altered.push(copy);
  }
  for (const keep of [0, 1, 21, good.length >> 1, good.length - 23, good.length - 1]) {
    altered.push(good.subarray(0, keep));
  }
  altered.push(Buffer.concat([good, Buffer.from('x')]), Buffer.concat([Buffer.from('x'), good]));
  altered.push(makeZip([...members].reverse()), makeZip(members.slice(1)));
  return altered;
}

test('30 archives that differ from the pin in bytes or size: none accepted, nothing written', async () => {
  const pin = pinOf(makeZip(members));
  const altered = alteredArchives();
  assert.equal(altered.length, 30);
  for (const archive of altered) {
    const { error, files } = await attempt(archive, pin);
    assert.match(error?.message ?? '', /^expected made_up\.whl (of \d+ bytes|with sha256)/);
    assert.deepEqual(files, []);
  }
});

// Archives that match their pin, as if the pin itself had been made from a hostile file.
const hostile: readonly (readonly [string, Member | readonly Member[]])[] = [
  ['parent folder', { name: '../escape', data: 'x' }],
  ['parent inside', { name: 'torch/../../escape', data: 'x' }],
  ['absolute', { name: '/tmp/simgpt-escape', data: 'x' }],
  ['doubled slash', { name: 'torch//lib', data: 'x' }],
  ['dot part', { name: 'torch/./lib', data: 'x' }],
  ['backslash', { name: '..\\escape', data: 'x' }],
  ['drive letter', { name: 'C:escape', data: 'x' }],
  ['stream name', { name: 'torch/lib:hidden', data: 'x' }],
  ['NUL', { name: 'torch/a\u0000b', data: 'x' }],
  ['newline', { name: 'torch/a\nb', data: 'x' }],
  ['empty name', { name: '', data: 'x' }],
  ['only dots', { name: '..', data: 'x' }],
  ['symbolic link', { name: 'torch/link', data: '/etc/passwd', unixMode: 0o120777 }],
  ['device', { name: 'torch/null', data: '', unixMode: 0o020666 }],
  ['pipe', { name: 'torch/fifo', data: '', unixMode: 0o010666 }],
  ['folder with bytes', { name: 'torch/folder/', data: 'x', unixMode: 0o040755 }],
  [
    'same name twice',
    [
      { name: 'torch/a', data: 'x' },
      { name: 'torch/a', data: 'y' },
    ],
  ],
  [
    'same name in another case',
    [
      { name: 'torch/a', data: 'x' },
      { name: 'torch/A', data: 'y' },
    ],
  ],
  ['another name in the local header', { name: 'torch/ok', localName: '../../esc', data: 'x' }],
  ['name of 2,000 bytes', { name: `torch/${'n'.repeat(2000)}`, data: 'x' }],
];

test('20 hostile archives: none accepted, 0 bytes outside the folder', async () => {
  assert.equal(hostile.length, 20);
  for (const [what, added] of hostile) {
    const archive = makeZip([...members.slice(0, 1), ...[added].flat()]);
    const { error, outside } = await attempt(archive, pinOf(archive));
    assert.match(error?.message ?? '', /^expected /, what);
    assert.deepEqual(outside, [], what);
  }
});

test('a directory that lies about sizes or checksums is refused', async () => {
  const good = makeZip(members);
  // oxlint-disable-next-line no-control-regex -- the signature of a directory entry
  const headers = [...good.toString('latin1').matchAll(/PK\u0001\u0002/g)].map(
    ({ index }) => index,
  );
  for (const header of headers) {
    for (const field of [16, 20, 24, 42]) {
      const copy = Buffer.from(good);
      copy.writeUInt32LE((copy.readUInt32LE(header + field) + 1) >>> 0, header + field);
      const { error, outside } = await attempt(copy, pinOf(copy));
      assert.notEqual(error, undefined, `field ${field}`);
      assert.deepEqual(outside, []);
    }
  }
});
