import assert from 'node:assert/strict';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { Encoder } from '#dist/encoder/encoder.js';
import { resolveModel } from '#dist/encoder/hub.js';
import { inspectSafetensors } from '#dist/encoder/safetensors.js';
import { scoreGradedPairs } from '#dist/evaluate/graded_pairs.js';
import { evaluateSts } from '#dist/evaluate/sts.js';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import { repoRoot, sharedDir, skipWithoutShared } from '../shared_data.js';

const folder = join(repoRoot, 'models/simgpt-small');
const load = () => Encoder.load('simgpt-small', { precision: 'float32' });

interface Golden {
  readonly texts: readonly { text: string; tokenIds: number[]; embedding: number[] }[];
}

describe('simgpt-small, the model that comes with the package', () => {
  it('is found by its name from anywhere, without cache or hub', async () => {
    const { dir, id, revision } = await resolveModel('simgpt-small', { offline: true });
    assert.deepEqual([dir, id, revision], [folder, 'simgpt-small', null]);
  });

  it('is small, in float16, and says where it is from', async () => {
    const names = (await readdir(folder, { recursive: true })).sort();
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(folder, name))).size),
    );
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(bytes <= 36e6, `${bytes} bytes`);
    const { tensors } = await inspectSafetensors(join(folder, 'model.safetensors'));
    assert.deepEqual([...new Set(tensors.map(({ dtype }) => dtype))], ['F16']);
    const card = await readFile(join(folder, 'README.md'), 'utf8');
    for (const said of ['all-MiniLM-L6-v2', 'Apache-2.0', 'CC BY-SA 4.0', 'Limits']) {
      assert.ok(card.includes(said), `the card says ${said}`);
    }
  });

  it('gives the ids and vectors that transformers computes in float64', async () => {
    const json = await readFile(join(repoRoot, 'test/golden/simgpt-small.json'), 'utf8');
    const { texts } = JSON.parse(json) as Golden;
    await using encoder = await load();
    const sentences = texts.map(({ text }) => text);
    const { tokenIds, cuSeqlens } = await encoder.tokenize(sentences);
    const { embeddings, shape } = await encoder.embed(sentences);
    assert.deepEqual(shape, [texts.length, 384]);
    for (const [i, { text, tokenIds: ids, embedding }] of texts.entries()) {
      assert.deepEqual([...tokenIds.subarray(cuSeqlens[i], cuSeqlens[i + 1])], ids, text);
      for (const [k, value] of embedding.entries()) {
        const gap = Math.abs(value - embeddings[i * 384 + k]!);
        assert.ok(gap < 1e-5, `${text}: value ${k} differs by ${gap}`);
      }
    }
  });

  it('orders our own graded pairs', async () => {
    await using encoder = await load();
    const score = await scoreGradedPairs(encoder, join(repoRoot, 'data/pairs.tsv'));
    assert.equal(score.pairs, 210);
    assert.ok(score.spearman > 0.74, `${score.spearman}`);
    const [low, high] = score.interval;
    assert.ok(low < score.spearman && score.spearman < high && low > 0.6);
  });

  it('has a mean of at least 76 over the seven STS sets', { skip: skipWithoutShared }, async () => {
    await using encoder = await load();
    const data = await loadStsData({ folders: [join(sharedDir!, 'data/sts')], protocol: 'mteb' });
    const { tasks } = await evaluateSts(encoder, data, { draws: 1 });
    const mean = tasks.reduce((sum, { spearman }) => sum + spearman, 0) / tasks.length;
    assert.equal(tasks.length, 7);
    assert.ok(100 * mean >= 76, `${100 * mean}`);
  });
});
