import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { Encoder, Optimizer, exportCheckpoint } from '#dist/index.js';
import type { EmbedResult, LoadOptions, Pooling } from '#dist/index.js';
import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { safetensorsBytes, writeRandomModel } from './random_model.js';

const length = 3;
const trains = { kind: 'deepPrompt', length } as const;
const sizes = { hidden: 16, layers: 2, heads: 2, intermediate: 32, positions: 400 };
// One token and none of its own, equal lengths side by side, and one for the kernel of long rows.
const texts = ['', 'one', 'two', 'a man plays', 'the long game', 'word '.repeat(300)];

/** A prompt that has left its beginnings, saved: its vectors in training and its folder. */
async function trainedFolder(model: string, target: string, options: LoadOptions) {
  await using encoder = await Encoder.load(model, { ...options, trains, precision: 'float32' });
  await using optimizer = new Optimizer(encoder);
  const batch = { anchors: ['a man', 'one two'], positives: ['the man', 'two'] };
  for (let step = 0; step < 3; ++step) {
    await encoder.accumulateGradients(batch, { kind: 'infoNce' }, { step });
    await optimizer.step({ learningRate: 0.5 });
  }
  await encoder.save(target);
  return encoder.embed(texts, { normalize: true });
}

async function embedInTraining(folder: string, options: LoadOptions) {
  await using encoder = await Encoder.load(folder, { ...options, trains, precision: 'float32' });
  return encoder.embed(texts, { normalize: true });
}

async function bertFolder(folder: string, seed: number): Promise<string> {
  const model = join(folder, 'model');
  await mkdir(model);
  await writeRandomModel(model, seed, sizes);
  return model;
}

/** Both back ends give the vectors of training. */
async function requireSame(folder: string, options: LoadOptions, expected: EmbedResult) {
  for (const backend of ['fast', 'reference'] as const) {
    await using encoder = await Encoder.load(folder, {
      ...options,
      backend,
      precision: 'float32',
    });
    const seen = await encoder.embed(texts, { normalize: true });
    requireEqual(backend, seen.embeddings, expected.embeddings);
    assert.deepEqual([...seen.truncated], [...expected.truncated]);
  }
}

function requireEqual(what: string, seen: Float32Array, expected: Float32Array): void {
  assert.equal(seen.length, expected.length);
  const worst = seen.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
  assert.ok(worst <= 1e-5, `${what}: largest difference ${worst}`);
}

describe('a folder with a deep prompt', () => {
  const roberta = join(repoRoot, 'test/golden/roberta-erf');
  const cases: readonly (readonly [name: string, options: LoadOptions])[] = [
    ['bert', { pooling: 'cls', head: 'mlp' }],
    ['bert', { pooling: 'cls', head: 'mlp', testHead: 'none' }],
    ['bert', { pooling: 'mean' }],
    ['roberta', { pooling: 'weightedMean' }],
  ];
  for (const [place, [name, options]] of cases.entries()) {
    test(`embeds as in training: ${name} ${JSON.stringify(options)}`, async (context) => {
      const folder = await temporaryFolder(context);
      const model = name === 'bert' ? await bertFolder(folder, place + 1) : roberta;
      const saved = join(folder, 'saved');
      const expected = await trainedFolder(model, saved, options);
      await requireSame(saved, {}, expected);
    });
  }

  for (const pooling of [
    ['firstLastMean', 'lastToken'],
    ['embeddingLastMean'],
  ] satisfies Pooling[][]) {
    test(`beside a plain folder's weights: ${pooling.join('+')}`, async (context) => {
      // Poolings that sentence-transformers lacks, so that nothing is saved with them.
      const folder = await temporaryFolder(context);
      const [saved, plain] = [join(folder, 'saved'), join(folder, 'plain')];
      await trainedFolder(roberta, saved, { pooling: 'mean' });
      await cp(roberta, plain, { recursive: true });
      await cp(join(saved, 'deep_prompt.safetensors'), join(plain, 'deep_prompt.safetensors'));
      await requireSame(plain, { pooling }, await embedInTraining(plain, { pooling }));
    });
  }

  test('leaves a text the positions that its rows do not take', async (context) => {
    const folder = await temporaryFolder(context);
    await writeRandomModel(folder, 1, sizes);
    const saved = join(folder, 'saved');
    await trainedFolder(folder, saved, { pooling: 'mean' });
    await using encoder = await Encoder.load(saved);
    assert.equal(encoder.maxTokens, sizes.positions - length);
    const { tokenCounts, truncated } = await encoder.embed(['word '.repeat(500)]);
    assert.deepEqual([tokenCounts[0], truncated[0]], [sizes.positions - length, 1]);
  });

  test('is written anew with its prompt, and its layers are not taken apart', async (context) => {
    const folder = await temporaryFolder(context);
    await writeRandomModel(folder, 1, sizes);
    const [saved, again] = [join(folder, 'saved'), join(folder, 'again')];
    const expected = await trainedFolder(folder, saved, { pooling: 'mean' });
    await exportCheckpoint(await readCheckpoint(saved), again);
    await using encoder = await Encoder.load(again, { precision: 'float32' });
    const { embeddings } = await encoder.embed(texts, { normalize: true });
    requireEqual('again', embeddings, expected.embeddings);
    const student = exportCheckpoint(await readCheckpoint(saved), join(folder, 'student'), {
      layers: [0],
    });
    await assert.rejects(student, /expected a model without a deep prompt to take layers of/);
  });

  test('trains on from its own prompt, at its own length', async (context) => {
    const folder = await temporaryFolder(context);
    await writeRandomModel(folder, 1, sizes);
    const saved = join(folder, 'saved');
    const expected = await trainedFolder(folder, saved, { pooling: 'mean' });
    const seen = await embedInTraining(saved, {});
    requireEqual('training', seen.embeddings, expected.embeddings);
    for (const other of [
      { kind: 'deepPrompt', length: 4 },
      { kind: 'deepPrompt', length, reparameterized: true },
      { kind: 'all' },
    ] as const) {
      await assert.rejects(Encoder.load(saved, { trains: other }), (error) => {
        assert.ok(error instanceof RangeError, String(error));
        return /of the model's own prompt|without a deep prompt/.test(error.message);
      });
    }
  });

  test('is refused where the prompt is not of the model', async (context) => {
    const folder = await temporaryFolder(context);
    await writeRandomModel(folder, 1, sizes);
    const file = join(folder, 'deep_prompt.safetensors');
    const width = 2 * sizes.layers * sizes.hidden;
    const name = 'prefix_encoder.embedding.weight';
    const rows = (count: number, value = 0.5) => new Float32Array(count).fill(value);
    for (const [shape, tensor, problem] of [
      [[2, width + 1], name, /of shape \[k, 64\], received \[2, 65\]/],
      [[width], name, /of shape \[k, 64\], received \[64\]/],
      [[2, width], 'prompt', /of shape \[k, 64\], received none/],
      [[400, width], name, /expected room for 3 tokens|max_position_embeddings/],
    ] as const) {
      const count = shape.reduce<number>((product, size) => product * size, 1);
      await writeFile(file, safetensorsBytes([[tensor, [...shape], rows(count)]]));
      await assert.rejects(Encoder.load(folder, { pooling: 'mean' }), (error: Error) => {
        assert.equal((error as { code?: string }).code, 'modelInvalid', String(error));
        return problem.test(error.message);
      });
    }
    await writeFile(file, safetensorsBytes([[name, [2, width], rows(2 * width, NaN)]]));
    await assert.rejects(Encoder.load(folder, { pooling: 'mean' }), /finite weights/);
  });
});
