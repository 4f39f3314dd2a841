import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { SentenceEncoder } from '#dist/encoder/sentence_encoder.js';
import { evaluateOn, scoreDevSets } from '#dist/train/dev_sets.js';
import type { DevSet } from '#dist/train/dev_sets.js';

/** Texts are angles in degrees on the unit circle. */
const circle: SentenceEncoder = {
  embed: (texts) => {
    const rows = texts.map((text) => (Number(text) * Math.PI) / 180);
    return Promise.resolve({
      embeddings: Float32Array.from(rows.flatMap((angle) => [Math.cos(angle), Math.sin(angle)])),
      shape: [texts.length, 2] as [number, number],
      truncated: new Uint8Array(texts.length),
    });
  },
};

function set(name: string, rows: readonly (readonly [number, string, string])[]): DevSet {
  return {
    name,
    path: `${name}.tsv`,
    gold: Float64Array.from(rows, ([gold]) => gold),
    left: rows.map(([, left]) => left),
    right: rows.map(([, , right]) => right),
  };
}

test('Spearman of each set and their mean; alignment and uniformity as Wang & Isola define them', async () => {
  const rising = set('rising', [
    [5, '0', '60'],
    [4, '0', '90'],
    [1, '0', '180'],
  ]);
  const mixed = set('mixed', [
    [0, '0', '60'],
    [5, '0', '180'],
    [2, '0', '90'],
  ]);
  const { sets, alignment, uniformity } = await scoreDevSets(circle, [rising]);
  assert.equal(sets[0]?.spearman, 1);
  // Pairs graded 4 and 5: squared distances 2 - 2 cos 60° = 1 and 2 - 2 cos 90° = 2.
  assert.ok(Math.abs(alignment! - 1.5) < 1e-6, `${alignment}`);
  const cosines = [60, 90, 180, 30, 120, 90].map((angle) => Math.cos((angle * Math.PI) / 180));
  const potential = cosines.reduce((sum, cosine) => sum + Math.exp(-2 * (2 - 2 * cosine)), 0) / 6;
  assert.ok(Math.abs(uniformity! - Math.log(potential)) < 1e-6, `${uniformity}`);
  const both = await evaluateOn([rising, mixed])(circle);
  assert.deepEqual(both.scores, { rising: 1, mixed: -1 });
  assert.equal(both.score, 0);
});
