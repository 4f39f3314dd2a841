import assert from 'node:assert/strict';
import { existsSync, symlinkSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import { converterCommand } from '#dist/encoder/converter.js';
import { SimgptError } from '#dist/errors.js';
import { repoRoot } from '../shared_data.js';
import {
  bertConfig,
  moduleRow,
  sentenceFiles,
  temporaryFolder,
  writeFolder,
} from './model_folder.js';
import type { FolderFiles } from './model_folder.js';

/** A folder that tries to run code, and whether what it says can be read without doing so. */
interface Attempt {
  readonly name: string;
  readonly files: FolderFiles;
  readonly links?: Readonly<Record<string, string>>;
  readonly read: boolean;
}

const transformer = moduleRow(0, 'Transformer');
const pooling = moduleRow(1, 'Pooling');

function moduleOf(type: string): FolderFiles {
  return { 'modules.json': [transformer, moduleRow(1, 'Pooling', type)] };
}

function pathOf(path: unknown): FolderFiles {
  return { 'modules.json': [transformer, { ...(pooling as object), path }] };
}

function activationOf(name: string): FolderFiles {
  return {
    'modules.json': [transformer, pooling, moduleRow(2, 'Dense')],
    '2_Dense/config.json': { in_features: 24, out_features: 8, activation_function: name },
    '2_Dense/model.safetensors': '',
  };
}

const config = (fields: object): FolderFiles => ({ 'config.json': { ...bertConfig, ...fields } });
const index = (weight_map: unknown): FolderFiles => ({
  'model.safetensors': undefined,
  'model.safetensors.index.json': { weight_map },
});

const foreignTypes = [
  'evil.Evil',
  'modeling_evil.Transformer',
  'os.system',
  'builtins.eval',
  'subprocess.Popen',
  'sentence_transformers.models.Pooling; import os',
  'sentence_transformers.models.../evil.Pooling',
  'sentence_transformers.evil.Pooling',
  'sentence_transformers.util.import_from_string',
  'sentence_transformers.models.CLIPModel',
  'transformers_modules.evil.Evil',
  'node:child_process',
  'file:///tmp/evil.mjs',
  'data:text/javascript,process.exit()',
  '__proto__',
  'constructor',
  'toString',
];
const foreignActivations = [
  'os.system',
  'builtins.exec',
  'evil.Activation',
  'torch.hub.load',
  'torch.load',
  'torch.nn.modules.activation.Tanh.__class__',
  'torch.nn.modules.activation.Softmax',
  'constructor',
];
const leavingPaths = [
  '../outside',
  '..',
  '/tmp',
  '/etc/passwd',
  'C:\\evil',
  '..\\outside',
  '1_Pooling/../../outside',
  './1_Pooling',
  '1_Pooling/',
  '~/evil',
  '1_Pooling\0',
  'http://127.0.0.1/1_Pooling',
  7,
  null,
];
const leavingShards = [
  '../outside/model.safetensors',
  '/etc/passwd',
  '/tmp/model.safetensors',
  'sub/model.safetensors',
  '..\\model.safetensors',
  'model.bin',
  'evil.py',
  'http://127.0.0.1/model.safetensors',
  ['model.safetensors'],
];

const attempts: readonly Attempt[] = [
  ...[
    { AutoModel: 'evil.Evil' },
    { AutoModel: 'other/repository--evil.Evil', AutoTokenizer: ['evil.A', 'evil.B'] },
    { AutoConfig: '../../evil.Evil' },
  ].map((auto_map) => ({ name: 'auto_map', files: config({ auto_map }), read: true })),
  { name: 'trust_remote_code', files: config({ trust_remote_code: true }), read: true },
  {
    name: 'tokenizer auto_map',
    files: { 'tokenizer_config.json': { auto_map: { AutoTokenizer: ['evil.Evil', null] } } },
    read: true,
  },
  {
    name: 'model_args trust_remote_code',
    files: { 'sentence_bert_config.json': { model_args: { trust_remote_code: true } } },
    read: true,
  },
  {
    name: 'model_args code_revision',
    files: { 'sentence_bert_config.json': { model_args: { code_revision: 'evil' } } },
    read: false,
  },
  { name: 'custom model type', files: config({ model_type: 'evil' }), read: false },
  {
    name: 'custom pipelines',
    files: config({ custom_pipelines: { evil: { impl: 'evil.Evil' } } }),
    read: true,
  },
  {
    name: 'package.json of a module',
    files: { 'package.json': { main: 'evil.js', scripts: { install: 'node evil.js' } } },
    read: true,
  },
  ...foreignTypes.map((type) => ({ name: `type ${type}`, files: moduleOf(type), read: false })),
  ...foreignActivations.map((name) => ({
    name: `activation ${name}`,
    files: activationOf(name),
    read: false,
  })),
  ...leavingPaths.map((path) => ({ name: `path ${path}`, files: pathOf(path), read: false })),
  ...leavingShards.map((shard) => ({
    name: `shard ${String(shard)}`,
    files: index({ a: shard }),
    read: false,
  })),
  ...['config.json', 'modules.json', 'model.safetensors', 'tokenizer.json', '1_Pooling'].map(
    (name) => ({
      name: `link ${name}`,
      files: { [name]: undefined, [`${name}/config.json`]: undefined },
      links: { [name]: '../outside' },
      read: false,
    }),
  ),
];

test(`${attempts.length} model folders that try to run code: none does, none is read beyond itself`, async () => {
  assert.ok(attempts.length >= 60, String(attempts.length));
  using folder = temporaryFolder();
  const canary = join(folder.path, 'canary');
  const evil = `require('fs').writeFileSync(${JSON.stringify(canary)}, '')`;
  const outside = { ...sentenceFiles, 'config.json': { word_embedding_dimension: 24 } };
  await writeFolder(join(folder.path, 'outside'), outside);
  const model = join(folder.path, 'model');
  for (const { name, files, links, read } of attempts) {
    await writeFolder(model, {
      ...sentenceFiles,
      'evil.js': evil,
      'evil.py': `open(${JSON.stringify(canary)}, 'w')`,
      'index.js': evil,
      ...files,
    });
    for (const [link, target] of Object.entries(links ?? {})) {
      await mkdir(model, { recursive: true });
      await rm(join(model, link), { recursive: true, force: true });
      symlinkSync(target, join(model, link));
    }
    const refusal = await readCheckpoint(model).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (read) assert.equal(refusal, undefined, `${name}: ${String(refusal)}`);
    else assert.ok(refusal instanceof SimgptError, `${name}: ${String(refusal)}`);
    assert.ok(!existsSync(canary), name);
    await rm(model, { recursive: true });
  }
});

test('weights that can carry code are refused with the line on converting', async () => {
  using folder = temporaryFolder();
  for (const name of [
    'pytorch_model.bin',
    'model.pt',
    'model.pth',
    'last.ckpt',
    'model.pkl',
    'weights.npz',
  ]) {
    const dir = join(folder.path, name);
    await writeFolder(dir, { ...sentenceFiles, 'model.safetensors': undefined, [name]: 'x' });
    await assert.rejects(readCheckpoint(dir), {
      code: 'unsupported',
      message: /expected model\.safetensors: this format is never opened.*tools\/convert\.py/,
    });
  }
  // What is named is there from where the process is, and comes with the package.
  const [, script] = converterCommand().split(' ');
  assert.ok(existsSync(script!), script);
  const packed = JSON.parse(await readFile(join(repoRoot, 'package.json'), 'utf8')) as {
    files: string[];
  };
  assert.ok(packed.files.includes(relative(repoRoot, resolve(script!))), script);
});

test("a snapshot of the hub's cache may link to its blobs and nowhere else", async () => {
  using folder = temporaryFolder();
  const repo = join(folder.path, 'models--a--b');
  const snapshot = join(repo, 'snapshots', 'c'.repeat(40));
  await writeFolder(snapshot, { ...sentenceFiles, 'model.safetensors': undefined });
  await writeFolder(join(repo, 'blobs'), { weights: '' });
  await writeFolder(join(repo, 'other'), { weights: '' });
  symlinkSync('../../blobs/weights', join(snapshot, 'model.safetensors'));
  assert.deepEqual((await readCheckpoint(snapshot)).weights, [join(snapshot, 'model.safetensors')]);
  await rm(join(snapshot, 'model.safetensors'));
  symlinkSync('../../other/weights', join(snapshot, 'model.safetensors'));
  await assert.rejects(readCheckpoint(snapshot), /received a link that leaves it/);
});
