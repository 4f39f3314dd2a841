import { setImmediate } from 'node:timers/promises';

import { SimgptError } from '../errors.js';
import { sortedOrder } from './metrics.js';
import { fillPhilox } from '../random/philox.js';

export interface BootstrapOptions {
  /** An integer from 0 to 2^53 - 1; the same seed gives the same draws on every machine. */
  readonly seed: number;
  /** Which stream of draws: two models compared on one task share it, two tasks never do. */
  readonly stream: number;
  /** How many resamples; default 1,000. */
  readonly draws?: number;
  readonly signal?: AbortSignal;
}

/** Low and high end of an interval. */
export type Interval = readonly [low: number, high: number];

/** Draws between two looks at the abort signal and turns of the event loop. */
const drawsPerTurn = 50;

/**
 * Spearman's rho of each bootstrap resample of the pairs (Efron 1979), as [draws] values; a
 * resample in which one side is constant counts as 0. O(pairs) per draw: ties and order never
 * change under resampling, so ranks come from one walk over counts of the pre-sorted values.
 * Throws RangeError where the lengths differ, SimgptError `cancelled` on abort.
 */
export async function bootstrapSpearman(
  x: Float64Array,
  y: Float64Array,
  { seed, stream, draws = 1000, signal }: BootstrapOptions,
): Promise<Float64Array> {
  if (x.length !== y.length) {
    throw new RangeError(`expected two lists of one length, received ${x.length} and ${y.length}`);
  }
  const groupsX = groupEqualValues(x);
  const groupsY = groupEqualValues(y);
  const counts = new Uint32Array(x.length);
  const words = new Uint32Array(x.length);
  const rhos = new Float64Array(draws);
  for (let draw = 0; draw < draws; draw++) {
    if (draw % drawsPerTurn === 0) {
      await setImmediate();
      if (signal?.aborted) throw new SimgptError('cancelled', 'evaluation was cancelled');
    }
    fillPhilox(words, { seed, stream, draw });
    counts.fill(0);
    for (let i = 0; i < words.length; i++) {
      counts[Math.floor((words[i]! * x.length) / 2 ** 32)]! += 1;
    }
    const rho = weightedRankCorrelation(groupsX, groupsY, counts);
    rhos[draw] = Number.isFinite(rho) ? rho : 0;
  }
  return rhos;
}

/**
 * The middle `level` of the values, ends interpolated linearly between neighbours (the percentile
 * method).
 */
export function percentileInterval(values: Float64Array, level = 0.95): Interval {
  const sorted = Float64Array.from(values).sort();
  return [quantile(sorted, (1 - level) / 2), quantile(sorted, (1 + level) / 2)];
}

function quantile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return NaN;
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

interface ValueGroups {
  /** [pairs] which group of equal values a pair belongs to, groups numbered from the smallest. */
  readonly groupOf: Uint32Array;
  /** [groups] how often each group was drawn, then its rank from the middle; scratch. */
  readonly ranks: Float64Array;
}

function groupEqualValues(values: Float64Array): ValueGroups {
  const order = sortedOrder(values);
  const groupOf = new Uint32Array(values.length);
  let group = -1;
  for (let i = 0; i < order.length; i++) {
    if (i === 0 || values[order[i]!] !== values[order[i - 1]!]) group++;
    groupOf[order[i]!] = group;
  }
  return { groupOf, ranks: new Float64Array(group + 1) };
}

/** Pearson of the average-tie ranks of a resample in which pair i occurs `counts[i]` times. */
function weightedRankCorrelation(x: ValueGroups, y: ValueGroups, counts: Uint32Array): number {
  const xx = rankGroups(x, counts);
  const yy = rankGroups(y, counts);
  let xy = 0;
  for (let i = 0; i < counts.length; i++) {
    xy += counts[i]! * x.ranks[x.groupOf[i]!]! * y.ranks[y.groupOf[i]!]!;
  }
  return xy / Math.sqrt(xx * yy);
}

/**
 * Leaves in `ranks` each group's average rank less the mean rank, which is (pairs + 1) / 2 in every
 * resample; returns the sum of squares over the resample.
 */
function rankGroups({ groupOf, ranks }: ValueGroups, counts: Uint32Array): number {
  ranks.fill(0);
  for (let i = 0; i < counts.length; i++) ranks[groupOf[i]!]! += counts[i]!;
  const meanRank = (counts.length + 1) / 2;
  let before = 0;
  let squares = 0;
  for (let group = 0; group < ranks.length; group++) {
    const drawn = ranks[group]!;
    const centred = before + (drawn + 1) / 2 - meanRank;
    ranks[group] = centred;
    squares += drawn * centred * centred;
    before += drawn;
  }
  return squares;
}
