import { dot, drawStreams, rowCount, uniform, unitVectors } from './vectors.js';
import type { Vectors } from './vectors.js';

export interface SelfSimilarity {
  /** Mean cosine of two different rows; NaN below two rows. */
  readonly mean: number;
  readonly seed: number;
  /** Cosine of each pair looked at. */
  readonly cosines: Float64Array;
}

/**
 * How alike the texts of a set are: the cosine of random pairs of different rows, all pairs where
 * they are no more than `pairs`. Lower is more diverse. A function of vectors and seed alone.
 */
export function selfSimilarity(
  vectors: Vectors,
  { pairs = 20_000, seed = 0 }: { readonly pairs?: number; readonly seed?: number } = {},
): SelfSimilarity {
  const unit = unitVectors(vectors);
  const rows = rowCount(unit);
  const all = (rows * (rows - 1)) / 2;
  const cosines = new Float64Array(Math.min(all, pairs));
  if (all <= pairs) {
    let at = 0;
    for (let a = 0; a < rows; a++) {
      for (let b = a + 1; b < rows; b++) cosines[at++] = dot(unit, a, unit, b);
    }
  } else {
    for (let draw = 0; draw < pairs; draw++) {
      const a = Math.floor(uniform(seed, drawStreams.pairs, 2 * draw) * rows);
      const other = Math.floor(uniform(seed, drawStreams.pairs, 2 * draw + 1) * (rows - 1));
      cosines[draw] = dot(unit, a, unit, other < a ? other : other + 1);
    }
  }
  return { mean: cosines.reduce((sum, value) => sum + value, 0) / cosines.length, seed, cosines };
}
