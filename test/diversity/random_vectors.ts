import { uniform } from '#dist/diversity/vectors.js';
import type { Vectors } from '#dist/diversity/vectors.js';

/** A number of the standard normal, by counters. */
function normal(seed: number, stream: number, draw: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, stream, 2 * draw)));
  return radius * Math.cos(2 * Math.PI * uniform(seed, stream, 2 * draw + 1));
}

/** Rows of independent normal values: nearly orthogonal where there are many dimensions. */
export function randomVectors(rows: number, dimensions: number, seed: number): Vectors {
  const embeddings = Float32Array.from({ length: rows * dimensions }, (_, i) => normal(seed, 9, i));
  return { embeddings, dimensions };
}

/** Rows around `centres`, each off by noise of that size a dimension; row i belongs to i mod rows. */
export function rowsAround(centres: Vectors, rows: number, noise: number, seed: number): Vectors {
  const { dimensions } = centres;
  const count = centres.embeddings.length / dimensions;
  const off = randomVectors(rows, dimensions, seed).embeddings;
  const embeddings = off.map((value, i) => {
    const row = Math.floor(i / dimensions) % count;
    return centres.embeddings[row * dimensions + (i % dimensions)]! + noise * value;
  });
  return { embeddings, dimensions };
}

export function joinVectors(parts: readonly Vectors[]): Vectors {
  const dimensions = parts[0]!.dimensions;
  const values = parts.flatMap(({ embeddings }) => [...embeddings]);
  return { embeddings: Float32Array.from(values), dimensions };
}
