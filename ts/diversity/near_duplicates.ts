import { dot, rowCount, unitVectors } from './vectors.js';
import type { Vectors } from './vectors.js';

/** Rows compared by their first dimensions before the rest is looked at. */
const headDimensions = 48;

/** More than float32 rounding can move a cosine. */
const slack = 1e-5;

/** Finds what of the rows added before is nearest to a new one, exactly. */
export interface NearVectorIndex {
  /** The nearest row of the index with a cosine of at least the threshold, the first of equals. */
  readonly nearest: (vector: Float32Array) => { index: number; cosine: number } | undefined;
  /** Adds a row; its index is the number of rows before it. */
  readonly add: (vector: Float32Array) => void;
}

/**
 * An exact index over cosines. A pair costs its first dimensions alone where those, with the
 * longest the rest could add (Cauchy-Schwarz), stay below the threshold. Throws RangeError for a
 * threshold outside (0, 1].
 */
export function createNearVectorIndex(dimensions: number, threshold: number): NearVectorIndex {
  if (!(threshold > 0 && threshold <= 1)) {
    throw new RangeError(`expected 0 < threshold <= 1, received ${threshold}`);
  }
  const head = Math.min(headDimensions, dimensions);
  let kept: Vectors = { embeddings: new Float32Array(256 * dimensions), dimensions };
  let rests = new Float64Array(256);
  let rows = 0;
  const restOf = (row: Vectors, at: number): number =>
    Math.sqrt(Math.max(dot(row, at, row, at, head), 0));
  return {
    nearest: (vector) => {
      const row = unitVectors({ embeddings: vector, dimensions });
      const rest = restOf(row, 0);
      let found: { index: number; cosine: number } | undefined;
      let least = threshold - slack;
      for (let i = 0; i < rows; i++) {
        const start = dot(row, 0, kept, i, 0, head);
        if (start + rest * rests[i]! < least) continue;
        const cosine = start + dot(row, 0, kept, i, head);
        if (cosine < least || (found !== undefined && cosine <= found.cosine)) continue;
        found = { index: i, cosine: Math.min(cosine, 1) };
        least = cosine;
      }
      return found;
    },
    add: (vector) => {
      if (rows === rests.length) {
        const embeddings = new Float32Array(2 * kept.embeddings.length);
        embeddings.set(kept.embeddings);
        kept = { embeddings, dimensions };
        const longer = new Float64Array(2 * rows);
        longer.set(rests);
        rests = longer;
      }
      const row = unitVectors({ embeddings: vector, dimensions });
      kept.embeddings.set(row.embeddings, rows * dimensions);
      rests[rows] = restOf(row, 0);
      rows += 1;
    },
  };
}

/**
 * Groups rows around leaders, in order: a row joins the nearest earlier leader whose cosine is at
 * least the threshold, else it leads a cluster of its own. Returns each row's leader; the rows that
 * lead themselves are what a filter keeps.
 */
export function nearDuplicateLeaders(vectors: Vectors, threshold: number): Uint32Array {
  const rows = rowCount(vectors);
  const { embeddings, dimensions } = vectors;
  const index = createNearVectorIndex(dimensions, threshold);
  const leaders: number[] = [];
  return Uint32Array.from({ length: rows }, (_, row) => {
    const vector = embeddings.subarray(row * dimensions, (row + 1) * dimensions);
    const nearest = index.nearest(vector);
    if (nearest !== undefined) return leaders[nearest.index]!;
    index.add(vector);
    leaders.push(row);
    return row;
  });
}
