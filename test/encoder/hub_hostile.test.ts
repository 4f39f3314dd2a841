import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveModel } from '#dist/encoder/hub.js';
import { SimgptError } from '#dist/errors.js';
import { commit, modelFiles, name, refuses, scene, treeOf, weights } from './hub_scene.js';
import { gitSha1, sha256 } from './hub_server.js';
import type { ServedFile } from './hub_server.js';
import { temporaryFolder } from './model_folder.js';

test('500 altered downloads: none is accepted and nothing is kept', async () => {
  await using opened = await scene();
  const { server, cache } = opened;
  server.served.files = { 'modules.json': modelFiles()['modules.json'] as ServedFile };
  let accepted = 0;
  for (let trial = 0; trial < 500; trial += 1) {
    server.faults.alter = (content) => {
      const altered = Uint8Array.from(content);
      const at = (trial * 7919) % altered.length;
      altered[at] = (altered[at] ?? 0) ^ (1 << (trial % 8));
      return altered;
    };
    await refuses(
      resolveModel(name, { cacheDir: cache.path }),
      'downloadFailed',
      /modules.json: expected gitSha1 [0-9a-f]{40}, received/,
    );
    if (existsSync(join(cache.path, 'models--team--tiny-model/snapshots'))) accepted += 1;
  }
  assert.equal(accepted, 0);
  const kept = await readdir(join(cache.path, 'models--team--tiny-model/blobs'));
  assert.deepEqual(kept, []);
});

test('an altered large file is refused by its sha256', async () => {
  await using opened = await scene();
  const { server, resolve } = opened;
  server.faults.alter = (content, path) =>
    path === 'model.safetensors' ? Uint8Array.from(content).fill(0, 5, 9) : content;
  await refuses(resolve(), 'downloadFailed', /model.safetensors: expected sha256/);
});

test('the token goes to the hub alone, not to where it redirects', async () => {
  await using opened = await scene();
  const { server, resolve } = opened;
  process.env['HF_TOKEN'] = 'hf_canary';
  await resolve();
  const withToken = server.requests.filter(({ authorization }) => authorization !== undefined);
  assert.ok(withToken.length > 0);
  assert.ok(withToken.every(({ origin }) => origin === 'hub'));
  assert.ok(server.requests.some(({ origin }) => origin === 'cdn'));
});

test('redirects to another scheme, in circles or to nowhere are refused', async () => {
  for (const [target, part] of [
    ['file:///etc/passwd', /expected a redirect to http:/],
    ['https://127.0.0.1:9/x', /expected a redirect to http:/],
    ['http://[', /redirect with an address/],
    ['', /at most 5 redirects|redirect with an address/],
  ] as const) {
    await using opened = await scene();
    const { server, resolve } = opened;
    server.faults.redirectTo = target;
    await refuses(resolve(), 'downloadFailed', part);
  }
});

const hostileNames = [
  '../evil',
  '..\\evil',
  '/etc/evil',
  'C:\\evil',
  'C:evil',
  'a/../../evil',
  './evil',
  'a//evil',
  'nul',
  'CON.txt',
  'com1.json',
  'evil.',
  'evil ',
  'ev\0il',
  'ev\nil',
  'evil:stream',
  'ev|il',
  'ev*il',
  'ev?il',
  '<evil>',
  '\ud800evil',
  'x'.repeat(256),
  `${'d/'.repeat(600)}evil`,
  '..',
  '.',
  '~/../evil',
  'a/..',
  'aux',
  'ev\u007fil',
];

test('400 hostile names in listings, module paths and shard names write nothing outside', async () => {
  await using opened = await scene();
  const { server, cache } = opened;
  const blob = 'c'.repeat(40);
  let trials = 0;
  const outside = temporaryFolder();
  using _outside = outside;
  const attempt = async (label: string): Promise<void> => {
    trials += 1;
    const cacheDir = join(outside.path, 'inner', 'cache');
    await assert.rejects(resolveModel(name, { cacheDir }), SimgptError, label);
    assert.deepEqual(await readdir(outside.path), ['inner']);
    assert.deepEqual(await readdir(join(outside.path, 'inner')), ['cache']);
    const found = (await treeOf(cacheDir)).filter((path) => path.includes('evil'));
    assert.deepEqual(found, []);
  };
  const good = modelFiles();
  for (const hostile of hostileNames) {
    for (const variant of [hostile, `x/${hostile}`, hostile.toUpperCase(), `${hostile}.json`]) {
      // Dots and spaces that do not end a name are ordinary.
      if (/^(a\/)?(\.\.|\.|evil\.|evil )\.json$/.test(variant)) continue;
      const rows = [{ type: 'file', path: variant, size: 4, oid: blob }];
      // In the listing: ignored, and the model lacks its own file.
      server.served.files = { 'modules.json': good['modules.json'] as ServedFile };
      server.served.extraRows = rows;
      await attempt(variant);
      const json = (value: unknown): ServedFile => ({
        content: Buffer.from(JSON.stringify(value)),
        lfs: false,
      });
      const module = (path: string): unknown => ({
        path,
        type: 'sentence_transformers.models.Pooling',
      });
      const transformer = { path: '', type: 'sentence_transformers.models.Transformer' };
      server.served.files = { 'modules.json': json([transformer, module(variant)]) };
      await attempt(variant);
      server.served.files = {
        'model.safetensors.index.json': json({ weight_map: { a: variant } }),
      };
      await attempt(variant);
      server.served.files = {
        'model.safetensors.index.json': json({ weight_map: { a: `${variant}.safetensors` } }),
      };
      await attempt(variant);
    }
  }
  assert.ok(trials >= 400, String(trials));
  assert.ok(existsSync(cache.path));
});

test('planted links are refused, never followed: 200 trials', async () => {
  await using opened = await scene();
  const { server } = opened;
  using trap = temporaryFolder();
  const { files } = server.served;
  for (const path of Object.keys(files)) {
    if (!/modules|Pooling|model\.safe/.test(path)) delete files[path];
  }
  const modules = files['modules.json']?.content ?? new Uint8Array();
  const repo = 'models--team--tiny-model';
  const places = [
    repo,
    `${repo}/blobs`,
    `${repo}/snapshots`,
    `${repo}/snapshots/${commit}`,
    `${repo}/snapshots/${commit}/1_Pooling`,
    `${repo}/refs`,
    `${repo}/blobs/${sha256(weights)}`,
    `${repo}/blobs/${sha256(weights)}.simgpt.incomplete`,
    `${repo}/blobs/${gitSha1(modules)}`,
    `${repo}/.no_exist`,
  ];
  for (let trial = 0; trial < 200; trial += 1) {
    using cache = temporaryFolder();
    const place = join(cache.path, places[trial % places.length] ?? '');
    const toFile = /blobs\//.test(place);
    const target = join(trap.path, toFile ? 'file' : 'folder');
    if (toFile) await writeFile(target, 'untouched');
    else await mkdir(target, { recursive: true });
    await mkdir(join(place, '..'), { recursive: true });
    await symlink(target, place);
    await resolveModel(name, { cacheDir: cache.path }).catch((error: unknown) => {
      assert.ok(error instanceof SimgptError, String(error));
    });
    if (toFile) assert.equal(readFileSync(target, 'utf8'), 'untouched');
    else assert.deepEqual(await readdir(target), [], place);
    assert.ok(lstatSync(place).isSymbolicLink() || toFile);
  }
  assert.ok(server.requests.length > 0);
});
