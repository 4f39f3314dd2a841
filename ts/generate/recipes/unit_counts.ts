import type { Unit } from '../recipe.js';

/** Units that no input names: `prefix-0`, `prefix-1`, …; ids of one width sort as they count. */
export function* countedUnits(prefix: string, count: number): Generator<Unit & { index: number }> {
  const width = String(Math.max(count - 1, 0)).length;
  for (let index = 0; index < count; index++) {
    yield { id: `${prefix}-${String(index).padStart(width, '0')}`, inputs: {}, index };
  }
}

/** Whether the item at an index is one of a share of them, spread evenly. */
export function isOfShare(index: number, share: number): boolean {
  return Math.floor((index + 1) * share) > Math.floor(index * share);
}

/**
 * Whole numbers that add up to `total`, as near to the weights as can be: the largest remainders
 * are rounded up, the earlier first.
 */
export function apportion(total: number, weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const exact = weights.map((weight) => (sum === 0 ? 0 : (total * weight) / sum));
  const counts = exact.map(Math.floor);
  const left = sum === 0 ? 0 : total - counts.reduce((all, count) => all + count, 0);
  const byRemainder = exact
    .map((value, index) => ({ index, remainder: value - Math.floor(value) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of byRemainder.slice(0, left)) counts[index]!++;
  return counts;
}
