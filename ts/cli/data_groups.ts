// What rows are grouped by where the share of a group is capped.
import { nearDuplicates } from '../dataset/near_duplicates.js';
import type { TrainingExample } from '../dataset/training_example.js';
import { nearDuplicateLeaders } from '../diversity/near_duplicates.js';
import { shippedModelName } from '../encoder/shipped_model.js';
import type { DataFlags } from './data_flags.js';

/** The group of each row, in order: its source, or the cluster of anchors that it is in. */
export async function groupsOf(
  rows: readonly Pick<TrainingExample, 'anchor' | 'source'>[],
  { per, threshold, cosine, model }: Pick<DataFlags, 'per' | 'threshold' | 'cosine' | 'model'>,
): Promise<readonly string[]> {
  if (per === 'source') return rows.map(({ source }) => source);
  const anchors = rows.map(({ anchor }) => anchor);
  if (per === 'near') {
    const { duplicateOf } = nearDuplicates(anchors, { threshold });
    return Array.from(duplicateOf, (first, row) => String(first < 0 ? row : first));
  }
  const pairs = anchors.map((anchor) => ({ anchor, positive: anchor }));
  return Array.from(
    await leadersByMeaning(pairs, { by: 'anchor', cosine, model: model ?? shippedModelName }),
    String,
  );
}

export type PairTexts = Pick<TrainingExample, 'anchor' | 'positive'>;

/**
 * For each row the first one that says the same: a cosine of the anchors, or with `pair` a mean of the
 * anchors' and the positives' cosines, of at least `cosine`.
 */
export async function leadersByMeaning(
  rows: readonly PairTexts[],
  {
    by,
    cosine,
    model,
  }: { readonly by: 'pair' | 'anchor'; readonly cosine: number; readonly model: string },
): Promise<Uint32Array> {
  if (rows.length === 0) return new Uint32Array();
  const { Encoder } = await import('../encoder/encoder.js');
  await using encoder = await Encoder.load(model);
  const embed = async (texts: readonly string[]): Promise<Float32Array> =>
    (await encoder.embed(texts, { normalize: true })).embeddings;
  const { dimensions } = encoder;
  const anchors = await embed(rows.map(({ anchor }) => anchor));
  if (by === 'anchor') return nearDuplicateLeaders({ embeddings: anchors, dimensions }, cosine);
  const positives = await embed(rows.map(({ positive }) => positive));
  // Two unit vectors in one row: its cosine with another is the mean of both cosines.
  const both = new Float32Array(2 * anchors.length);
  for (let row = 0; row < rows.length; row += 1) {
    const part = [row * dimensions, (row + 1) * dimensions] as const;
    both.set(anchors.subarray(...part), 2 * row * dimensions);
    both.set(positives.subarray(...part), (2 * row + 1) * dimensions);
  }
  return nearDuplicateLeaders({ embeddings: both, dimensions: 2 * dimensions }, cosine);
}
