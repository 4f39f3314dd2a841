import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { Encoder } from '#dist/index.js';
import type { Head, LoadOptions, Pooling } from '#dist/index.js';
import { repoRoot, sharedDir, skipWithoutShared } from '../shared_data.js';

interface Golden {
  readonly maxTokens: number;
  readonly texts: readonly {
    readonly text: string;
    readonly tokenIds: readonly number[];
    readonly embeddings: Readonly<Record<string, readonly number[]>>;
  }[];
}

async function readGolden(path: string): Promise<Golden> {
  return JSON.parse(await readFile(path, 'utf8')) as Golden;
}

function greatestDifference(actual: ArrayLike<number>, expected: readonly number[]): number {
  assert.equal(actual.length, expected.length);
  return expected.reduce((most, value, i) => {
    const difference = Math.abs(value - (actual[i] ?? Number.NaN));
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(most, difference);
  }, 0);
}

const models = ['bert-erf', 'bert-tanh', 'roberta-erf', 'roberta-tanh'];
const variants: readonly (readonly [string, Pooling, Head])[] = [
  ['cls', 'cls', 'none'],
  ['mean', 'mean', 'none'],
  ['max', 'max', 'none'],
  ['meanSqrtLen', 'meanSqrtLen', 'none'],
  ['weightedMean', 'weightedMean', 'none'],
  ['lastToken', 'lastToken', 'none'],
  ['firstLastMean', 'firstLastMean', 'none'],
  ['lastTwoMean', 'lastTwoMean', 'none'],
  ['embeddingLastMean', 'embeddingLastMean', 'none'],
  ['cls+pooler', 'cls', 'pooler'],
  ['cls+mlp', 'cls', 'mlp'],
];
// [back end, precision, greatest difference from the float64 reference]
const backends: readonly (readonly [LoadOptions, number])[] = [
  [{ backend: 'reference', precision: 'float64' }, 1e-10],
  [{ backend: 'reference', precision: 'float32' }, 1e-5],
  [{ backend: 'fast', precision: 'float32' }, 1e-5],
];

for (const model of models) {
  describe(`golden model ${model}`, () => {
    const dir = join(repoRoot, 'test/golden', model);

    it('cuts texts into the reference ids', async () => {
      const golden = await readGolden(join(dir, 'golden.json'));
      await using encoder = await Encoder.load(dir, { pooling: 'mean', precision: 'float32' });
      const { tokenIds, cuSeqlens } = await encoder.tokenize(golden.texts.map(({ text }) => text));
      for (const [i, { text, tokenIds: expected }] of golden.texts.entries()) {
        const ids = Array.from(tokenIds.subarray(cuSeqlens[i], cuSeqlens[i + 1]));
        assert.deepEqual(ids, expected, JSON.stringify(text));
      }
    });

    for (const [options, tolerance] of backends) {
      for (const [name, pooling, head] of variants) {
        const back = `${options.backend} ${options.precision}`;
        it(`${name} equals float64 within ${tolerance} (${back})`, async () => {
          const golden = await readGolden(join(dir, 'golden.json'));
          await using encoder = await Encoder.load(dir, { ...options, pooling, head });
          const texts = golden.texts.map(({ text }) => text);
          const { embeddings, shape } = await encoder.embed(texts, { normalize: false });
          assert.deepEqual(shape, [texts.length, encoder.dimensions]);
          for (const [i, row] of golden.texts.entries()) {
            const actual = embeddings.subarray(i * shape[1], (i + 1) * shape[1]);
            const difference = greatestDifference(actual, row.embeddings[name] ?? []);
            assert.ok(difference <= tolerance, `${JSON.stringify(row.text)}: ${difference}`);
          }
        });
      }
    }

    it('concatenates a list of poolings in order', async () => {
      const golden = await readGolden(join(dir, 'golden.json'));
      await using encoder = await Encoder.load(dir, {
        pooling: ['mean', 'cls'],
        precision: 'float32',
      });
      const { embeddings } = await encoder.embed([golden.texts[3]?.text ?? ''], {
        normalize: false,
      });
      const { mean = [], cls = [] } = golden.texts[3]?.embeddings ?? {};
      assert.ok(greatestDifference(embeddings, [...mean, ...cls]) <= 1e-5);
    });
  });
}

describe('all-MiniLM-L6-v2', { skip: skipWithoutShared }, () => {
  it('gives the golden ids and vectors', async () => {
    const folder = join(sharedDir ?? '', 'models');
    const path = join(folder, 'all-MiniLM-L6-v2.golden.json');
    const { texts } = JSON.parse(await readFile(path, 'utf8')) as {
      readonly texts: readonly { text: string; tokenIds: number[]; embedding: number[] }[];
    };
    await using encoder = await Encoder.load(join(folder, 'all-MiniLM-L6-v2'), {
      precision: 'float32',
    });
    assert.equal(encoder.maxTokens, 256);
    const sentences = texts.map(({ text }) => text);
    const { tokenIds, cuSeqlens } = await encoder.tokenize(sentences);
    const { embeddings, shape } = await encoder.embed(sentences);
    for (const [i, { text, tokenIds: ids, embedding }] of texts.entries()) {
      const cut = Array.from(tokenIds.subarray(cuSeqlens[i], cuSeqlens[i + 1]));
      assert.deepEqual(cut, ids, JSON.stringify(text));
      const row = embeddings.subarray(i * shape[1], (i + 1) * shape[1]);
      const cosine =
        embedding.reduce((sum, value, k) => sum + value * (row[k] ?? Number.NaN), 0) /
        (Math.hypot(...embedding) * Math.hypot(...row));
      assert.ok(cosine >= 1 - 1e-6, `${JSON.stringify(text)}: cosine ${cosine}`);
    }
  });
});
