export interface GroupShare {
  readonly name: string;
  readonly rows: number;
  /** rows / all rows, in (0, 1]. */
  readonly share: number;
}

/** How many rows each group has, the largest first, equals by name. */
export function sharesOf(groups: readonly string[]): readonly GroupShare[] {
  const counts = countGroups(groups);
  return Array.from(counts, ([name, rows]) => ({ name, rows, share: rows / groups.length })).sort(
    (a, b) => b.rows - a.rows || (a.name < b.name ? -1 : 1),
  );
}

/**
 * Which rows may stay so that no group has more than `maxShare` of those that stay, and as many
 * stay as can: every group keeps its first rows, up to one quota for all. A few crafted rows then
 * stay few, however many were sent (poisoned data). Returns 1 for each row that stays. Throws
 * RangeError for a share outside (0, 1], and where there are too few groups to meet it.
 */
export function capShares(groups: readonly string[], maxShare: number): Uint8Array {
  if (!(maxShare > 0 && maxShare <= 1)) {
    throw new RangeError(`expected 0 < maxShare <= 1, received ${maxShare}`);
  }
  const quota = largestQuota(Array.from(countGroups(groups).values()), maxShare);
  const kept = new Map<string, number>();
  return Uint8Array.from(groups, (group) => {
    const before = kept.get(group) ?? 0;
    kept.set(group, before + 1);
    return before < quota ? 1 : 0;
  });
}

/** The share of the largest group grows with the quota, so the largest quota is found by halving. */
function largestQuota(sizes: readonly number[], maxShare: number): number {
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  const isWithin = (quota: number): boolean => {
    const rows = sizes.reduce((sum, size) => sum + Math.min(size, quota), 0);
    // Beyond what doubles round: 3 of 10 rows are 0.3 of them.
    return Math.min(quota, largest) <= maxShare * rows * (1 + 1e-12);
  };
  if (largest === 0) return 0;
  if (!isWithin(1)) {
    throw new RangeError(
      `expected at least ${Math.ceil(1 / maxShare - 1e-9)} groups for a share of at most ` +
        `${maxShare}, received ${sizes.length}`,
    );
  }
  let low = 1;
  let high = largest;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isWithin(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function countGroups(groups: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1);
  return counts;
}
