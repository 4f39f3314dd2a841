import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Encoder } from '#dist/encoder/encoder.js';
import type { SentenceEmbedOptions, SentenceEncoder } from '#dist/encoder/sentence_encoder.js';
import { createStsReport } from '#dist/evaluate/report.js';
import { evaluateSts } from '#dist/evaluate/sts.js';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import type { StsProtocol } from '#dist/evaluate/sts_tasks.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';

/**
 * Encodes each distinct list of token ids once: a vector is a function of the ids, and the two
 * folders of texts differ for this model only in a few of them.
 */
function byTokenIds(encoder: Encoder): SentenceEncoder {
  const known = new Map<string, Float32Array>();
  const width = encoder.dimensions;
  return {
    embed: async (texts: readonly string[], options?: SentenceEmbedOptions) => {
      const { tokenIds, cuSeqlens } = await encoder.tokenize(texts);
      const keys = texts.map((_, i) => tokenIds.subarray(cuSeqlens[i], cuSeqlens[i + 1]).join(' '));
      const unknown = new Map(texts.map((text, i) => [keys[i]!, text]));
      for (const key of known.keys()) {
        unknown.delete(key);
      }
      const { embeddings } = await encoder.embed([...unknown.values()], options);
      for (const [i, key] of [...unknown.keys()].entries()) {
        known.set(key, embeddings.slice(i * width, (i + 1) * width));
      }
      const all = new Float32Array(texts.length * width);
      for (const [i, key] of keys.entries()) {
        all.set(known.get(key)!, i * width);
      }
      return {
        embeddings: all,
        shape: [texts.length, width],
        truncated: new Uint8Array(texts.length),
      };
    },
  };
}

// models/SOURCES.md: sentence-transformers 6.0.1 in float32, and the published mteb row.
const expected: readonly {
  readonly title: string;
  readonly folders: readonly string[];
  readonly protocol: StsProtocol;
  readonly scores: readonly number[];
  readonly average: number;
}[] = [
  {
    title: 'original text, senteval',
    folders: ['sts'],
    protocol: 'senteval',
    scores: [72.3681, 80.6002, 75.5997, 85.3896, 78.9859, 82.0325, 77.147],
    average: 78.8747,
  },
  {
    title: 'original text, mteb',
    folders: ['sts'],
    protocol: 'mteb',
    scores: [72.3681, 80.6002, 75.5997, 85.3896, 78.9859, 82.0325, 77.58],
    average: 78.94,
  },
  {
    title: 'word-tokenised text, senteval',
    folders: ['sts_senteval', 'sts'],
    protocol: 'senteval',
    scores: [72.3698, 80.6032, 75.5891, 85.3896, 78.9895, 82.0325, 77.147],
    average: 78.8744,
  },
  {
    title: 'word-tokenised text, mteb',
    folders: ['sts_senteval', 'sts'],
    protocol: 'mteb',
    scores: [72.3698, 80.6032, 75.5891, 85.3896, 78.9895, 82.0325, 77.58],
    average: 78.94,
  },
];

test(
  'all-MiniLM-L6-v2 scores what the reference scores',
  { skip: skipWithoutShared },
  async (context) => {
    const model = join(sharedDir!, 'models/all-MiniLM-L6-v2');
    await using encoder = await Encoder.load(model, { precision: 'float32' });
    const caching = byTokenIds(encoder);
    for (const { title, folders, protocol, scores, average } of expected) {
      await context.test(title, async () => {
        const paths = folders.map((folder) => join(sharedDir!, 'data', folder));
        const data = await loadStsData({ folders: paths, protocol });
        const settings = {
          model: 'all-MiniLM-L6-v2',
          revision: null,
          pooling: 'mean',
          head: 'none',
          normalize: true,
          maxTokens: 256,
          precision: 'float32',
          prompt: null,
          dimensions: 384,
        };
        const result = await evaluateSts(caching, data, { draws: 100 });
        const report = createStsReport({ settings, scores: result });
        for (const [i, task] of report.tasks.entries()) {
          const difference = Math.abs(task.spearman - scores[i]!);
          assert.ok(difference <= 0.02, `${task.name}: ${task.spearman}, expected ${scores[i]}`);
          const [low, high] = task.interval;
          assert.ok(low < task.spearman && task.spearman < high, `${task.name} in its interval`);
        }
        assert.ok(Math.abs(report.average - average) <= 0.02, `average ${report.average}`);
      });
    }
  },
);
