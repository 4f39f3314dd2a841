import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import { exportCheckpoint } from '#dist/encoder/export.js';
import { Encoder } from '#dist/encoder/encoder.js';
import { inspectSafetensors, readTensor } from '#dist/encoder/safetensors.js';
import { safetensorsBytes, tensor } from '../native/safetensors_files.js';
import { repoRoot } from '../shared_data.js';
import {
  moduleRow,
  plainFiles,
  sentenceFiles,
  temporaryFolder,
  writeFolder,
} from './model_folder.js';

const weights = safetensorsBytes(
  {
    'bert.embeddings.word_embeddings.weight': tensor('F16', [2, 2], 0, 8),
    'bert.pooler.dense.weight': tensor('F32', [2, 1], 8, 16),
    'mlp.dense.bias': tensor('F32', [2], 16, 24),
    'mlp.dense.weight': tensor('F32', [1], 24, 28),
  },
  28,
);
const dense = safetensorsBytes({ 'linear.weight': tensor('F32', [8, 24], 0, 768) }, 768);

function tree(dir: string): Record<string, string> {
  const names = (readdirSync(dir, { recursive: true }) as string[]).sort();
  const files = names.filter((name) => /\.\w+$/.test(name));
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(dir, name), 'base64')]));
}

test('a sentence-transformers folder is written so that it reads back the same', async () => {
  using folder = temporaryFolder();
  const [source, first, second] = ['source', 'first', 'second'].map((name) =>
    join(folder.path, name),
  ) as [string, string, string];
  await writeFolder(source, {
    ...sentenceFiles,
    'model.safetensors': weights,
    'modules.json': ['Transformer', 'Pooling', 'Dense', 'Normalize'].map((name, index) =>
      moduleRow(index, name),
    ),
    '2_Dense/config.json': { in_features: 24, out_features: 8, bias: false },
    '2_Dense/model.safetensors': dense,
    'config_sentence_transformers.json': { prompts: { q: 'q: ' }, default_prompt_name: 'q' },
    'tokenizer_config.json': { do_lower_case: true, auto_map: { AutoTokenizer: ['evil.Evil'] } },
    'evil.py': 'raise SystemExit',
  });
  const before = await readCheckpoint(source);
  await exportCheckpoint(before, first);
  const after = await readCheckpoint(first);
  await exportCheckpoint(after, second);
  assert.deepEqual(tree(second), tree(first));
  const comparable = ({
    dir: _dir,
    id: _id,
    weights: _w,
    dense: _d,
    tokenizer: _t,
    ...rest
  }: typeof after) => rest;
  assert.deepEqual(comparable(after), comparable(before));
  assert.deepEqual(
    after.dense.map(({ weights: _weights, ...rest }) => rest),
    before.dense.map(({ weights: _weights, ...rest }) => rest),
  );
  const text = Object.values(tree(first)).map((content) =>
    Buffer.from(content, 'base64').toString(),
  );
  assert.ok(!text.some((content) => content.includes('evil')));
  const { tensors } = await inspectSafetensors(after.weights[0] ?? '');
  assert.deepEqual(
    tensors.map(({ name, dtype }) => [name, dtype]),
    [
      ['bert.pooler.dense.weight', 'F32'],
      ['bert.embeddings.word_embeddings.weight', 'F16'],
    ],
  );
});

test('a head is written as the Dense module that computes the same', async () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source');
  await writeFolder(source, { ...plainFiles, 'model.safetensors': weights });
  const target = join(folder.path, 'target');
  await exportCheckpoint(await readCheckpoint(source, { pooling: 'cls', head: 'mlp' }), target);
  const written = await readCheckpoint(target);
  assert.deepEqual([written.pooling, written.head, written.normalize], [['cls'], 'none', false]);
  const [module] = written.dense;
  assert.deepEqual([module?.activation, module?.inFeatures, module?.outFeatures], ['tanh', 24, 24]);
  const { tensors } = await inspectSafetensors(module?.weights ?? '');
  assert.deepEqual(tensors.map(({ name }) => name).sort(), ['linear.bias', 'linear.weight']);
  const pooler = readCheckpoint(source, { pooling: 'cls', head: 'pooler' });
  await assert.rejects(exportCheckpoint(await pooler, join(folder.path, 'pooler')), {
    code: 'modelInvalid',
    message: /expected a tensor pooler.dense.bias for the head 'pooler'/,
  });
  assert.deepEqual(readdirSync(folder.path).sort(), ['source', 'target']);
});

test('a pooling over two layers is stated in simgpt.json, and by a mode that Python refuses', async () => {
  using folder = temporaryFolder();
  const golden = join(repoRoot, 'test/golden/bert-erf');
  // What sentence-transformers 6 accepts: it, 5 and 2.2 raise an error for any other mode.
  const known = ['cls', 'max', 'mean', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken'];
  for (const [place, pooling] of (
    [['firstLastMean'], ['lastTwoMean'], ['embeddingLastMean'], ['cls', 'firstLastMean']] as const
  ).entries()) {
    const target = join(folder.path, `${place}`);
    await exportCheckpoint(await readCheckpoint(golden, { pooling }), target);
    assert.deepEqual((await readCheckpoint(target)).pooling, pooling);
    const read = (name: string): unknown => JSON.parse(readFileSync(join(target, name), 'utf8'));
    assert.deepEqual(read('simgpt.json'), { formatVersion: 1, pooling });
    const { pooling_mode: mode } = read('1_Pooling/config.json') as { pooling_mode: string };
    assert.ok([mode].flat().some((name) => !known.includes(name)));
    await using before = await Encoder.load(golden, { pooling, precision: 'float32' });
    await using after = await Encoder.load(target, { precision: 'float32' });
    const texts = ['a man plays', 'two women', ''];
    assert.deepEqual(await after.embed(texts), await before.embed(texts));
  }
  const target = join(folder.path, '0');
  assert.deepEqual((await readCheckpoint(target, { pooling: 'cls' })).pooling, ['cls']);
  // Without its statement the folder is refused here as it is in Python.
  rmSync(join(target, 'simgpt.json'));
  await assert.rejects(readCheckpoint(target), { code: 'unsupported' });
});

test('what cannot be written is refused and leaves nothing behind', async () => {
  using folder = temporaryFolder();
  const source = join(folder.path, 'source');
  await writeFolder(source, { ...plainFiles, 'model.safetensors': weights });
  const target = join(folder.path, 'target');
  const checkpoint = await readCheckpoint(source, { pooling: 'cls' });
  const signal = AbortSignal.abort();
  await assert.rejects(exportCheckpoint(checkpoint, target, { signal }), { code: 'cancelled' });
  const nowhere = join(folder.path, 'none/target');
  await assert.rejects(exportCheckpoint(checkpoint, nowhere), { code: 'ioFailed' });
  writeFileSync(target, 'mine');
  await assert.rejects(exportCheckpoint(checkpoint, target), { code: 'outputExists' });
  assert.deepEqual(readdirSync(folder.path).sort(), ['source', 'target']);
});

test('a student keeps the named layers, renumbered, and is a model of its own', async () => {
  using folder = temporaryFolder();
  const source = await readCheckpoint(join(repoRoot, 'test/golden/bert-erf'), { pooling: 'mean' });
  const target = join(folder.path, 'student');
  await exportCheckpoint(source, target, { layers: [2, 0] });
  const student = await readCheckpoint(target);
  assert.equal(student.config.layerCount, 2);
  const name = 'encoder.layer.1.intermediate.dense.weight';
  const [theirs] = source.weights;
  const [ours] = student.weights;
  const { tensors } = await inspectSafetensors(theirs!);
  const prefix = tensors.find((each) => each.name.endsWith(name))!.name.slice(0, -name.length);
  assert.deepEqual(
    await readTensor(ours!, `${prefix}${name}`),
    await readTensor(theirs!, `${prefix}${name.replace('1', '0')}`),
  );
  await using encoder = await Encoder.load(target, { precision: 'float32' });
  assert.equal((await encoder.embed(['a text'])).shape[1], 24);
  for (const layers of [[], [3], [0, 0], [-1], [0.5]]) {
    const refused = exportCheckpoint(source, join(folder.path, 'none'), { layers });
    await assert.rejects(
      refused,
      /^RangeError: expected layers to be different integers from 0 to 2/,
    );
  }
});

test('float16 halves the weights and keeps the vectors; what it cannot hold is refused', async () => {
  using folder = temporaryFolder();
  const golden = join(repoRoot, 'test/golden/bert-erf');
  const source = await readCheckpoint(golden, { pooling: 'mean', head: 'mlp' });
  const [half, full] = [join(folder.path, 'half'), join(folder.path, 'full')];
  await exportCheckpoint(source, half, { dtype: 'float16' });
  const written = await readCheckpoint(half);
  for (const path of [...written.weights, written.dense[0]!.weights]) {
    const { tensors } = await inspectSafetensors(path);
    assert.ok(tensors.every(({ dtype }) => dtype === 'F16'));
  }
  const config = JSON.parse(readFileSync(join(half, 'config.json'), 'utf8')) as object;
  assert.equal((config as { torch_dtype: string }).torch_dtype, 'float16');
  await exportCheckpoint(written, full, { dtype: 'float32' });
  const texts = ['a man plays', 'the women', ''];
  const embed = async (dir: string): Promise<Float32Array> => {
    const options = dir === golden ? ({ pooling: 'mean', head: 'mlp' } as const) : {};
    await using encoder = await Encoder.load(dir, { precision: 'float32', ...options });
    return (await encoder.embed(texts, { normalize: true })).embeddings;
  };
  const [before, after, again] = [await embed(golden), await embed(half), await embed(full)];
  assert.deepEqual(again, after);
  for (const row of texts.keys()) {
    const dot = after
      .subarray(24 * row, 24 * row + 24)
      .reduce((sum, value, i) => sum + value * before[24 * row + i]!, 0);
    assert.ok(dot > 0.9999 && dot < 1 + 1e-6, `${dot}`);
  }
  assert.notDeepEqual(after, before);

  const large = join(folder.path, 'large');
  const data = Buffer.from(Float32Array.of(1, 70_000).buffer);
  const bytes = safetensorsBytes({ 'embeddings.LayerNorm.weight': tensor('F32', [2], 0, 8) }, data);
  await writeFolder(large, { ...plainFiles, 'model.safetensors': bytes });
  const checkpoint = await readCheckpoint(large, { pooling: 'cls' });
  await assert.rejects(exportCheckpoint(checkpoint, join(folder.path, 'x'), { dtype: 'float16' }), {
    code: 'unsupported',
    message: /tensor "embeddings.LayerNorm.weight": expected values that float16 holds/,
  });
  assert.deepEqual(readdirSync(folder.path).sort(), ['full', 'half', 'large']);
});
