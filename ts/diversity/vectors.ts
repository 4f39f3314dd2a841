import { fillPhilox } from '../random/philox.js';

/** Vectors of one width, row after row. */
export interface Vectors {
  /** [rows, dimensions], row-major. */
  readonly embeddings: Float32Array;
  readonly dimensions: number;
}

/**
 * Rows of unit length, as a copy; a row of zeros stays one. Throws RangeError for a width that does
 * not divide the length, and for values that are not finite.
 */
export function unitVectors({ embeddings, dimensions }: Vectors): Vectors {
  const rows = rowCount({ embeddings, dimensions });
  const unit = new Float32Array(embeddings.length);
  for (let row = 0; row < rows; row++) {
    const start = row * dimensions;
    let square = 0;
    for (let i = start; i < start + dimensions; i++) square += embeddings[i]! * embeddings[i]!;
    if (!Number.isFinite(square)) {
      throw new RangeError(`expected finite embeddings, received others in row ${row}`);
    }
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
    for (let i = start; i < start + dimensions; i++) unit[i] = embeddings[i]! * scale;
  }
  return { embeddings: unit, dimensions };
}

export function rowCount({ embeddings, dimensions }: Vectors): number {
  const rows = embeddings.length / dimensions;
  if (Number.isInteger(dimensions) && dimensions > 0 && Number.isInteger(rows)) return rows;
  throw new RangeError(
    `expected embeddings of ${dimensions} dimensions, received ${embeddings.length} values`,
  );
}

/** Dot product of rows `a` and `b` of two sets, from dimension `from` up to `to`. */
export function dot(
  left: Vectors,
  a: number,
  right: Vectors,
  b: number,
  from: number = 0,
  to: number = left.dimensions,
): number {
  const startA = a * left.dimensions;
  const startB = b * right.dimensions;
  let sum = 0;
  for (let i = from; i < to; i++) {
    sum += left.embeddings[startA + i]! * right.embeddings[startB + i]!;
  }
  return sum;
}

// Streams of counters under one seed, so that no two uses share a draw.
export const drawStreams = { pairs: 1, topics: 2, sample: 3 } as const;

/** A number in [0, 1) as a function of seed, stream and draw. */
export function uniform(seed: number, stream: number, draw: number): number {
  const words = new Uint32Array(2);
  fillPhilox(words, { seed, stream, draw });
  return (words[0]! * 2 ** 21 + (words[1]! >>> 11)) / 2 ** 53;
}

/** `count` of the numbers 0 to `total` - 1 in rising order, drawn without repeat by counters. */
export function drawSample(total: number, count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: total }, (_, i) => i);
  if (count >= total) return order;
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(uniform(seed, drawStreams.sample, i) * (total - i));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order.slice(0, count).sort();
}
