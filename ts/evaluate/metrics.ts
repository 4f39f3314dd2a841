/** Indices of `values` from smallest to largest; equal values keep their order. */
export function sortedOrder(values: Float64Array): Uint32Array {
  const order = new Uint32Array(values.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  return order.sort((a, b) => values[a]! - values[b]! || a - b);
}

/**
 * Ranks from 1, ties sharing the average of the ranks they cover: (1, 2, 2, 4) gives
 * (1, 2.5, 2.5, 4). O(n log n).
 */
export function averageRanks(values: Float64Array): Float64Array {
  const order = sortedOrder(values);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/**
 * Pearson correlation in [-1, 1]; NaN where either side is constant or shorter than two.
 * Throws RangeError where the lengths differ.
 */
export function pearson(x: Float64Array, y: Float64Array): number {
  expectEqualLengths(x, y);
  // Rounding would leave a constant list some spread around its mean, and so a correlation.
  if (isConstant(x) || isConstant(y)) {
    return NaN;
  }
  const n = x.length;
  let meanX = 0;
  let meanY = 0;
  for (let i = 0; i < n; i++) {
    meanX += x[i]!;
    meanY += y[i]!;
  }
  meanX /= n;
  meanY /= n;
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < n; i++) {
    const dx = x[i]! - meanX;
    const dy = y[i]! - meanY;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  // The clamp takes back the last bit of rounding; NaN passes through it.
  return Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
}

/** Spearman's rho in [-1, 1]: Pearson of average-tie ranks; NaN where either side is constant. */
export function spearman(x: Float64Array, y: Float64Array): number {
  return pearson(averageRanks(x), averageRanks(y));
}

/** A correlation as a score: a value that is not finite counts as 0, and says so. */
export function finiteScore(rho: number): { readonly value: number; readonly finite: boolean } {
  return Number.isFinite(rho) ? { value: rho, finite: true } : { value: 0, finite: false };
}

/** Replaces entries that are not finite by 0, in place; returns how many there were. */
export function zeroNonFinite(values: Float32Array | Float64Array): number {
  let replaced = 0;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      values[i] = 0;
      replaced++;
    }
  }
  return replaced;
}

/**
 * Cosine of rows `left[i]` and `right[i]` of `embeddings` [rows, dimensions], summed in float64.
 * Equal rows give exactly 1; a row of zeros gives 0.
 */
export function cosineOfRows(
  embeddings: Float32Array,
  dimensions: number,
  left: Uint32Array,
  right: Uint32Array,
): Float64Array {
  const rows = embeddings.length / dimensions;
  const squares = new Float64Array(rows);
  for (let row = 0; row < rows; row++) squares[row] = dotOfRows(embeddings, dimensions, row, row);
  const cosines = new Float64Array(left.length);
  for (let i = 0; i < left.length; i++) {
    const a = left[i]!;
    const b = right[i]!;
    // sqrt(x * x) is exactly x, so two equal rows meet at 1 and tie with other equal rows.
    const length = Math.sqrt(squares[a]! * squares[b]!);
    cosines[i] = length > 0 ? dotOfRows(embeddings, dimensions, a, b) / length : 0;
  }
  return cosines;
}

function dotOfRows(embeddings: Float32Array, dimensions: number, a: number, b: number): number {
  let sum = 0;
  const startA = a * dimensions;
  const startB = b * dimensions;
  for (let i = 0; i < dimensions; i++) sum += embeddings[startA + i]! * embeddings[startB + i]!;
  return sum;
}

function isConstant(values: Float64Array): boolean {
  return values.every((value) => value === values[0]);
}

function expectEqualLengths(x: Float64Array, y: Float64Array): void {
  if (x.length !== y.length) {
    throw new RangeError(`expected two lists of one length, received ${x.length} and ${y.length}`);
  }
}
