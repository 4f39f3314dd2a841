import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

import { Encoder } from '#dist/index.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { randomNumbers, safetensorsBytes, writeRandomModel } from './random_model.js';

type Tensor = [string, number[], Float32Array];

const sizes = { hidden: 12, layers: 2, heads: 2, intermediate: 20, positions: 32 };
const texts = ['a man plays', 'the long text one two three', ''];
const load = (dir: string) => Encoder.load(dir, { pooling: 'mean', precision: 'float32' });

async function readTensors(dir: string): Promise<Tensor[]> {
  const bytes = await readFile(join(dir, 'model.safetensors'));
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, end)) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  return Object.entries(header).map(
    ([
      name,
      {
        shape,
        data_offsets: [from, to],
      },
    ]) => {
      const data = new Uint8Array(bytes.subarray(end + from, end + to));
      return [name, shape, new Float32Array(data.buffer)];
    },
  );
}

async function rewrite(dir: string, change: (tensors: Tensor[]) => Tensor[]): Promise<void> {
  const tensors = change(await readTensors(dir));
  await writeFile(join(dir, 'model.safetensors'), safetensorsBytes(tensors));
}

const renamed =
  (from: string, to: string) =>
  (tensors: Tensor[]): Tensor[] =>
    tensors.map(([name, shape, data]) => [name === from ? to : name, shape, data]);

describe('weights', () => {
  const wrong: readonly [string, (tensors: Tensor[]) => Tensor[], RegExp][] = [
    [
      'a missing tensor',
      (tensors) => tensors.filter(([name]) => name !== 'encoder.layer.1.output.dense.bias'),
      /model\.safetensors: missing tensors: encoder\.layer\.1\.output\.dense\.bias$/,
    ],
    [
      'a tensor that no layer has',
      (tensors) => [...tensors, ['encoder.layer.2.extra', [2], new Float32Array(2)]],
      /tensors that this architecture does not have: encoder\.layer\.2\.extra$/,
    ],
    [
      'another shape',
      (tensors) =>
        tensors.map(([name, shape, data]) => [
          name,
          name === 'encoder.layer.0.intermediate.dense.weight' ? [12, 20] : shape,
          data,
        ]),
      /intermediate\.dense\.weight of .*: expected shape \[20, 12\] by the config, received \[12, 20\]/,
    ],
    [
      'NaN weights',
      (tensors) => {
        const bias = tensors.find(([name]) => name === 'encoder.layer.0.output.LayerNorm.bias');
        bias?.[2].fill(Number.NaN, 3, 4);
        return tensors;
      },
      /tensor encoder\.layer\.0\.output\.LayerNorm\.bias .*expected finite weights/,
    ],
  ];
  for (const [what, change, message] of wrong) {
    it(`are refused by name: ${what}`, async (context) => {
      const dir = await temporaryFolder(context);
      await writeRandomModel(dir, 5, sizes);
      await rewrite(dir, change);
      await assert.rejects(load(dir), { code: 'modelInvalid', message });
    });
  }

  it('are read from shards, with prefixes and with the older LayerNorm names', async (context) => {
    const dir = await temporaryFolder(context);
    await writeRandomModel(dir, 5, sizes);
    await using whole = await load(dir);
    const { embeddings: expected } = await whole.embed(texts);

    const other = await temporaryFolder(context);
    await writeRandomModel(other, 5, sizes);
    const tensors = renamed(
      'embeddings.LayerNorm.weight',
      'embeddings.LayerNorm.gamma',
    )(await readTensors(other)).map(([name, shape, data]): Tensor => [`bert.${name}`, shape, data]);
    const shards = [tensors.slice(0, 9), tensors.slice(9)];
    const map: Record<string, string> = {};
    for (const [i, shard] of shards.entries()) {
      const name = `model-0000${i + 1}-of-00002.safetensors`;
      await writeFile(join(other, name), safetensorsBytes(shard));
      for (const [tensor] of shard) map[tensor] = name;
    }
    const index = { metadata: {}, weight_map: map };
    await writeFile(join(other, 'model.safetensors.index.json'), JSON.stringify(index));
    await rm(join(other, 'model.safetensors'));
    await using sharded = await load(other);
    assert.deepEqual((await sharded.embed(texts)).embeddings, expected);
  });
});

describe('projection', () => {
  it('applies dense modules after the pooling', async (context) => {
    const dir = await temporaryFolder(context);
    await writeRandomModel(dir, 9, sizes);
    await using plain = await load(dir);
    const random = randomNumbers(2);
    const weight = Float32Array.from({ length: 5 * 12 }, random);
    const bias = Float32Array.from({ length: 5 }, random);
    const type = (name: string) => `sentence_transformers.models.${name}`;
    const modules = ['Transformer', 'Pooling', 'Dense'].map((name, idx) => ({
      idx,
      name: `${idx}`,
      path: idx === 0 ? '' : `${idx}_${name}`,
      type: type(name),
    }));
    await mkdir(join(dir, '1_Pooling'));
    await mkdir(join(dir, '2_Dense'));
    await writeFile(join(dir, 'modules.json'), JSON.stringify(modules));
    await writeFile(
      join(dir, '1_Pooling/config.json'),
      JSON.stringify({ word_embedding_dimension: 12, pooling_mode_mean_tokens: true }),
    );
    await writeFile(
      join(dir, '2_Dense/config.json'),
      JSON.stringify({
        in_features: 12,
        out_features: 5,
        bias: true,
        activation_function: 'torch.nn.modules.activation.Tanh',
      }),
    );
    await writeFile(
      join(dir, '2_Dense/model.safetensors'),
      safetensorsBytes([
        ['linear.weight', [5, 12], weight],
        ['linear.bias', [5], bias],
      ]),
    );
    await using dense = await Encoder.load(dir, { precision: 'float32' });
    assert.equal(dense.dimensions, 5);
    const { embeddings: before } = await plain.embed(texts, { normalize: false });
    const { embeddings: after } = await dense.embed(texts, { normalize: false });
    for (const [text] of texts.entries()) {
      for (let out = 0; out < 5; ++out) {
        let sum = bias[out] ?? 0;
        for (let i = 0; i < 12; ++i)
          sum += (weight[out * 12 + i] ?? 0) * (before[text * 12 + i] ?? 0);
        const difference = Math.abs(Math.tanh(sum) - (after[text * 5 + out] ?? Number.NaN));
        assert.ok(difference < 1e-6, `text ${text}, dimension ${out}: ${difference}`);
      }
    }
  });

  it('pools and normalises in one pass as it does in two', async (context) => {
    const dir = await temporaryFolder(context);
    await writeRandomModel(dir, 9, sizes);
    await using encoder = await load(dir);
    const { embeddings: once } = await encoder.embed(texts, { normalize: true });
    const { embeddings: raw } = await encoder.embed(texts, { normalize: false });
    for (const [text] of texts.entries()) {
      const row = raw.subarray(text * 12, text * 12 + 12);
      const length = Math.hypot(...row);
      for (const [i, value] of row.entries()) {
        assert.ok(Math.abs(value / length - (once[text * 12 + i] ?? Number.NaN)) < 1e-6);
      }
    }
  });
});

describe('the self-check', () => {
  it('refuses a pooling whose special token the tokenizer does not add', async (context) => {
    const dir = await temporaryFolder(context);
    await writeRandomModel(dir, 5, sizes);
    const path = join(dir, 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    await writeFile(path, JSON.stringify({ ...tokenizer, post_processor: null }));
    for (const [pooling, place] of [
      ['cls', 'first'],
      ['lastToken', 'last'],
    ] as const) {
      await assert.rejects(Encoder.load(dir, { pooling, precision: 'float32' }), {
        code: 'selfCheckFailed',
        message: new RegExp(`the pooling reads the ${place} token, but .* adds no special token`),
      });
    }
  });

  it('refuses finite weights whose vectors are none', async (context) => {
    const dir = await temporaryFolder(context);
    await writeRandomModel(dir, 5, sizes);
    await rewrite(dir, (tensors) =>
      tensors.map(([name, shape, data]) => [
        name,
        shape,
        name.startsWith('embeddings.') && !name.includes('LayerNorm') ? data.fill(3e38) : data,
      ]),
    );
    await assert.rejects(load(dir), {
      code: 'selfCheckFailed',
      message: /alone and in a batch must give one vector; a probe differs by -?nan/,
    });
  });
});

describe('SIMGPT_CPU_LEVEL', () => {
  it('makes the kernels of a narrower processor agree with the golden vectors', async () => {
    const script = `
      const { Encoder } = await import('#dist/index.js');
      const { native } = await import('#dist/native.js');
      const golden = JSON.parse(await (await import('node:fs/promises')).readFile(
        'test/golden/bert-erf/golden.json', 'utf8'));
      const encoder = await Encoder.load('test/golden/bert-erf', { pooling: 'mean' });
      const { embeddings } = await encoder.embed(golden.texts.map((row) => row.text), { normalize: false });
      const expected = golden.texts.flatMap((row) => row.embeddings.mean);
      const worst = Math.max(...expected.map((value, i) => Math.abs(value - embeddings[i])));
      console.log(JSON.stringify({ level: native().cpuInfo().level, precision: encoder.precision, worst }));
      await encoder.dispose();`;
    const run = promisify(execFile);
    for (const level of ['avx2', 'baseline']) {
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
        cwd: repoRoot,
        env: { ...process.env, SIMGPT_CPU_LEVEL: level },
      });
      const seen = JSON.parse(stdout) as { level: string; precision: string; worst: number };
      assert.equal(seen.level, level);
      assert.equal(seen.precision, 'float32');
      assert.ok(seen.worst <= 1e-5, `${level}: ${seen.worst}`);
    }
  });
});
