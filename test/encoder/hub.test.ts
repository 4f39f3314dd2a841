import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import { resolveModel } from '#dist/encoder/hub.js';
import type { DownloadProgress } from '#dist/encoder/hub.js';
import { SimgptError } from '#dist/errors.js';
import { commit, name, refuses, scene, treeOf, weights } from './hub_scene.js';
import { sha256 } from './hub_server.js';
import { bertConfig, temporaryFolder } from './model_folder.js';
import { safetensorsBytes } from './random_model.js';

test('a folder is taken before the cache and the hub', async () => {
  using folder = temporaryFolder();
  const found = await resolveModel(folder.path);
  assert.deepEqual([found.dir, found.revision], [folder.path, null]);
  await refuses(resolveModel('./nowhere'), 'fileNotFound', /expected a model folder/);
});

test('an id that is a path traversal or no id is a RangeError before anything is opened', async () => {
  const ids = [
    'a/../b',
    '../../no-such-folder/etc',
    'a/b/c',
    'a--b',
    'a b',
    'a/b.git',
    '-a',
    'a/',
    'a\0b',
    '',
    'a:b',
  ];
  for (const id of ids) {
    await assert.rejects(resolveModel(id), (error: unknown) => {
      const refused =
        error instanceof RangeError || (/^\.|\/$/.test(id) && error instanceof SimgptError);
      assert.ok(refused, `${id}: ${String(error)}`);
      return true;
    });
  }
  for (const revision of ['../x', 'a/../b', '', '/a', 'a b', 'a\\b', '..', 'x'.repeat(300)]) {
    await assert.rejects(resolveModel(name, { revision }), RangeError, revision);
  }
});

test('downloads only what is read, into the layout that Python uses', async () => {
  await using opened = await scene();
  const { server, cache, resolve } = opened;
  const seen: DownloadProgress[] = [];
  const found = await resolve({ onProgress: (progress) => seen.push(progress) });
  assert.deepEqual([found.id, found.revision], [name, commit]);
  const folder = join(cache.path, 'models--team--tiny-model');
  assert.equal(found.dir, join(folder, 'snapshots', commit));
  assert.equal(readFileSync(join(folder, 'refs/main'), 'utf8'), commit);
  assert.match(
    readlinkSync(join(found.dir, 'model.safetensors')),
    /^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/,
  );
  assert.match(
    readlinkSync(join(found.dir, '1_Pooling/config.json')),
    /^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/,
  );
  assert.deepEqual(readFileSync(join(found.dir, 'model.safetensors')), weights);
  assert.ok(!existsSync(join(found.dir, 'pytorch_model.bin')));
  assert.ok(!existsSync(join(found.dir, 'README.md')));
  assert.deepEqual(seen.at(-1), {
    file: 'model.safetensors',
    receivedBytes: weights.length,
    totalBytes: weights.length,
  });
  assert.equal((await readCheckpoint(found.dir)).maxTokens, 32);
  const leftovers = (await treeOf(cache.path)).filter((path) => /incomplete|lock|tmp/.test(path));
  assert.deepEqual(leftovers, []);
  assert.ok(server.requests.some(({ origin }) => origin === 'cdn'));
});

test('a deep prompt comes with its model', async () => {
  await using opened = await scene();
  const { server, resolve } = opened;
  const [rows, width] = [2, 2 * bertConfig.num_hidden_layers * bertConfig.hidden_size];
  const prompt = safetensorsBytes([
    ['prefix_encoder.embedding.weight', [rows, width], new Float32Array(rows * width)],
  ]);
  server.served.files['deep_prompt.safetensors'] = { content: prompt, lfs: true };
  const { dir } = await resolve();
  assert.equal((await readCheckpoint(dir)).deepPrompt?.length, rows);
});

test('a cached revision is used without a request, and offline opens no socket', async () => {
  await using opened = await scene();
  const { server, resolve } = opened;
  await resolve();
  const requests = server.requests.length;
  await resolve();
  process.env['HF_HUB_OFFLINE'] = '1';
  await resolve();
  await resolve({ revision: commit });
  await refuses(resolve({ revision: 'v2' }), 'offline', /HF_HUB_OFFLINE/);
  await refuses(resolve({ revision: 'b'.repeat(40) }), 'offline', /not complete in the cache/);
  assert.equal(server.requests.length, requests);
});

test('a snapshot that lacks a file is completed, and refused offline', async () => {
  await using opened = await scene();
  const { cache, resolve } = opened;
  const { dir } = await resolve();
  const [blob] = (await treeOf(join(cache.path, 'models--team--tiny-model/blobs'))).filter(
    (path) => path.length === 64,
  );
  const path = join(cache.path, 'models--team--tiny-model/blobs', blob ?? '');
  await writeFile(path, 'torn');
  // The torn blob is found when the snapshot is completed again.
  await unlink(join(dir, 'model.safetensors'));
  process.env['HF_HUB_OFFLINE'] = '1';
  await refuses(resolve(), 'offline', /not complete/);
  delete process.env['HF_HUB_OFFLINE'];
  await resolve();
  assert.deepEqual(readFileSync(join(dir, 'model.safetensors')), weights);
});

test('a cut transfer is resumed by Range within one call and by a later call', async () => {
  await using opened = await scene();
  const { server, cache, resolve } = opened;
  Object.assign(server.faults, { cutAfter: 100_000, cuts: 2 });
  await resolve();
  const ranges = server.requests.map(({ range }) => range).filter((range) => range !== undefined);
  assert.ok(
    ranges.some((range) => /^bytes=[1-9]\d*-299999$/.test(range)),
    ranges.join(),
  );

  using second = temporaryFolder();
  Object.assign(server.faults, { cutAfter: 50_000, cuts: 1 });
  const stop = new AbortController();
  const cancelled = resolve({
    cacheDir: second.path,
    signal: stop.signal,
    onProgress: ({ file, receivedBytes }) => {
      if (file === 'model.safetensors' && receivedBytes >= 40_000) stop.abort();
    },
  });
  await refuses(cancelled, 'cancelled', /cancelled/);
  const partial = (await treeOf(second.path)).filter((path) => path.endsWith('.incomplete'));
  assert.equal(partial.length, 1);
  server.requests.length = 0;
  const found = await resolve({ cacheDir: second.path });
  assert.deepEqual(readFileSync(join(found.dir, 'model.safetensors')), weights);
  assert.ok(server.requests.some(({ range }) => /^bytes=[1-9]/.test(range ?? '')));
  assert.notEqual(second.path, cache.path);
});

test('a server that ignores Range is read from the start', async () => {
  await using opened = await scene();
  const { server, resolve } = opened;
  Object.assign(server.faults, { cutAfter: 100_000, cuts: 1, ignoreRange: true });
  const { dir } = await resolve();
  assert.deepEqual(readFileSync(join(dir, 'model.safetensors')), weights);
});

test('bytes left by another revision are found by the hash and fetched again', async () => {
  await using opened = await scene();
  const { cache, resolve, server } = opened;
  const blobs = join(cache.path, 'models--team--tiny-model/blobs');
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, `${sha256(weights)}.simgpt.incomplete`), randomBytes(1000));
  const { dir } = await resolve();
  assert.deepEqual(readFileSync(join(dir, 'model.safetensors')), weights);
  assert.ok(server.requests.some(({ range }) => range === 'bytes=1000-299999'));
});

test('what the hub answers is told in words', async () => {
  for (const [status, part] of [
    [401, /set HF_TOKEN/],
    [403, /accept its terms/],
    [404, /no such repository or revision/],
    [500, /could not be asked/],
  ] as const) {
    await using opened = await scene();
    const { server, resolve } = opened;
    server.faults.status = status;
    await refuses(resolve(), 'downloadFailed', part);
  }
  process.env['HF_ENDPOINT'] = 'http://127.0.0.1:9';
  using cache = temporaryFolder();
  await refuses(
    resolveModel(name, { cacheDir: cache.path }),
    'downloadFailed',
    /could not be asked/,
  );
});

test('four processes that download one model at once fetch the large file once', async () => {
  await using opened = await scene();
  const { server, cache } = opened;
  const code = `
    const { resolveModel } = await import(process.argv[1]);
    const found = await resolveModel('${name}', { cacheDir: process.argv[2] });
    process.stdout.write(found.dir);`;
  const hub = import.meta.resolve('#dist/encoder/hub.js');
  const run = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', code, hub, cache.path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout.on('data', (part: Buffer) => (output += part.toString()));
      child.on('error', reject);
      child.on('close', (status) =>
        status === 0 ? resolve(output) : reject(new Error(`exit ${status}`)),
      );
    });
  const dirs = await Promise.all([run(), run(), run(), run()]);
  assert.equal(new Set(dirs).size, 1);
  const bodies = server.requests.filter(
    ({ origin, range }) => origin === 'cdn' && range !== 'bytes=0-0',
  );
  assert.equal(bodies.length, 1);
});
