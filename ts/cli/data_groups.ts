// What rows are grouped by where the share of a group is capped.
import { nearDuplicates } from '../dataset/near_duplicates.js';
import type { TrainingExample } from '../dataset/training_example.js';
import { nearDuplicateLeaders } from '../diversity/near_duplicates.js';
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
  if (model === undefined) {
    throw new RangeError('expected --model to name an encoder for --per meaning, received none');
  }
  const { Encoder } = await import('../encoder/encoder.js');
  await using encoder = await Encoder.load(model);
  const { embeddings } = await encoder.embed(anchors);
  const vectors = { embeddings, dimensions: encoder.dimensions };
  return Array.from(nearDuplicateLeaders(vectors, cosine), String);
}
