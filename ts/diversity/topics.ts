import { dot, drawStreams, rowCount, uniform, unitVectors } from './vectors.js';
import type { Vectors } from './vectors.js';
import { wordsOf } from './words.js';

export interface Clusters {
  readonly k: number;
  readonly seed: number;
  readonly iterations: number;
  /** [rows] cluster of each row; clusters are numbered by falling size. */
  readonly assignments: Uint32Array;
  /** [k] rows in each. */
  readonly sizes: Uint32Array;
  /** Mean squared distance of a row to its centre. */
  readonly inertia: number;
}

/**
 * k-means over rows of unit length: k-means++ starts (Arthur & Vassilvitskii 2007) drawn by
 * counters, then Lloyd's steps until no row moves. k is lowered to the number of rows. A function
 * of vectors, k and seed alone. Throws RangeError for a k that is no positive integer.
 */
export function kMeans(
  vectors: Vectors,
  {
    k,
    seed = 0,
    maxIterations = 30,
  }: { readonly k: number; readonly seed?: number; readonly maxIterations?: number },
): Clusters {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`expected k >= 1, received ${k}`);
  const unit = unitVectors(vectors);
  const rows = rowCount(unit);
  const count = Math.min(k, rows);
  const centres = startingCentres(unit, count, seed);
  const assignments = new Uint32Array(rows);
  const distances = new Float64Array(rows).fill(Infinity);
  let iterations = 0;
  for (let moved = true; moved && iterations < maxIterations; iterations++) {
    moved = assign(unit, centres, assignments, distances) || iterations === 0;
    if (moved) recentre(unit, centres, assignments, distances);
  }
  assign(unit, centres, assignments, distances);
  const inertia = rows === 0 ? 0 : distances.reduce((sum, value) => sum + value, 0) / rows;
  return { k: count, seed, iterations, inertia, ...numberedBySize(assignments, count) };
}

function startingCentres(unit: Vectors, k: number, seed: number): Vectors {
  const { dimensions, embeddings } = unit;
  const rows = rowCount(unit);
  const centres = { embeddings: new Float32Array(k * dimensions), dimensions };
  const nearest = new Float64Array(rows).fill(Infinity);
  for (let centre = 0; centre < k; centre++) {
    const draw = uniform(seed, drawStreams.topics, centre);
    const row = centre === 0 ? Math.floor(draw * rows) : weightedRow(nearest, draw);
    centres.embeddings.set(
      embeddings.subarray(row * dimensions, (row + 1) * dimensions),
      centre * dimensions,
    );
    for (let i = 0; i < rows; i++) {
      nearest[i] = Math.min(nearest[i]!, squaredDistance(unit, i, centres, centre));
    }
  }
  return centres;
}

/** A row drawn with the odds of its weight; where all weigh nothing, any row does. */
function weightedRow(weights: Float64Array, draw: number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = draw * total;
  for (let row = 0; row < weights.length; row++) {
    left -= weights[row]!;
    if (left < 0) return row;
  }
  return weights.length - 1;
}

function squaredDistance(unit: Vectors, row: number, centres: Vectors, centre: number): number {
  const { dimensions } = unit;
  let sum = 0;
  for (let i = 0; i < dimensions; i++) {
    const step =
      unit.embeddings[row * dimensions + i]! - centres.embeddings[centre * dimensions + i]!;
    sum += step * step;
  }
  return sum;
}

/** Puts each row to its nearest centre, the first of equals; tells whether one moved. */
function assign(
  unit: Vectors,
  centres: Vectors,
  assignments: Uint32Array,
  distances: Float64Array,
): boolean {
  const k = centres.embeddings.length / centres.dimensions;
  const squares = Float64Array.from({ length: k }, (_, c) => dot(centres, c, centres, c));
  let moved = false;
  for (let row = 0; row < assignments.length; row++) {
    const own = dot(unit, row, unit, row);
    let best = 0;
    let least = Infinity;
    for (let centre = 0; centre < k; centre++) {
      const distance = Math.max(own + squares[centre]! - 2 * dot(unit, row, centres, centre), 0);
      if (distance < least) {
        least = distance;
        best = centre;
      }
    }
    moved ||= assignments[row] !== best;
    assignments[row] = best;
    distances[row] = least;
  }
  return moved;
}

/** Moves each centre to the mean of its rows; an empty one to the row farthest from its own. */
function recentre(
  unit: Vectors,
  centres: Vectors,
  assignments: Uint32Array,
  distances: Float64Array,
): void {
  const { dimensions } = unit;
  const k = centres.embeddings.length / dimensions;
  const sums = new Float64Array(k * dimensions);
  const counts = new Uint32Array(k);
  for (const [row, centre] of assignments.entries()) {
    counts[centre]! += 1;
    for (let i = 0; i < dimensions; i++) {
      sums[centre * dimensions + i]! += unit.embeddings[row * dimensions + i]!;
    }
  }
  for (let centre = 0; centre < k; centre++) {
    const start = centre * dimensions;
    if (counts[centre]! > 0) {
      for (let i = start; i < start + dimensions; i++) {
        centres.embeddings[i] = sums[i]! / counts[centre]!;
      }
      continue;
    }
    const far = distances.reduce((best, value, row) => (value > distances[best]! ? row : best), 0);
    distances[far] = 0;
    const row = unit.embeddings.subarray(far * dimensions, (far + 1) * dimensions);
    centres.embeddings.set(row, start);
  }
}

function numberedBySize(
  assignments: Uint32Array,
  k: number,
): Pick<Clusters, 'assignments' | 'sizes'> {
  const counts = new Uint32Array(k);
  for (const centre of assignments) counts[centre]! += 1;
  const order = Array.from(counts.keys()).sort((a, b) => counts[b]! - counts[a]! || a - b);
  const numbers = new Uint32Array(k);
  for (const [number, centre] of order.entries()) numbers[centre] = number;
  return {
    assignments: assignments.map((centre) => numbers[centre]!),
    sizes: Uint32Array.from(order, (centre) => counts[centre]!),
  };
}

/**
 * The words that mark each cluster: texts of the cluster that hold a word, weighed against how many
 * of all texts do (class-based tf-idf, Grootendorst 2022, "BERTopic", equation 2, over texts
 * instead of occurrences). Ties fall to the word that sorts first.
 */
export function topWords(
  texts: readonly string[],
  { assignments, k }: Pick<Clusters, 'assignments' | 'k'>,
  count: number = 6,
): readonly (readonly string[])[] {
  const everywhere = new Map<string, number>();
  const perCluster = Array.from({ length: k }, () => new Map<string, number>());
  for (const [row, text] of texts.entries()) {
    const counts = perCluster[assignments[row]!]!;
    for (const word of new Set(wordsOf(text))) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
      everywhere.set(word, (everywhere.get(word) ?? 0) + 1);
    }
  }
  const mean = texts.length / Math.max(k, 1);
  return perCluster.map((counts) => {
    const scored = Array.from(counts, ([word, held]) => {
      return { word, score: held * Math.log(1 + mean / everywhere.get(word)!) };
    });
    scored.sort((a, b) => b.score - a.score || (a.word < b.word ? -1 : 1));
    return scored.slice(0, count).map(({ word }) => word);
  });
}
