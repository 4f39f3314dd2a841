// A word is a run of letters, digits and marks; in scripts without spaces, a character.
const word =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}])[\p{L}\p{N}\p{M}])+(?:['’]\p{L}+)*/gu;

/** The words of a text, lower-cased, in order. */
export function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(word) ?? [];
}

/** Number of words of each text. */
export function wordCounts(texts: readonly string[]): Uint32Array {
  return Uint32Array.from(texts, (text) => wordsOf(text).length);
}

export interface DistinctNgrams {
  readonly n: number;
  readonly distinct: number;
  readonly total: number;
  /** distinct / total, in (0, 1]; 0 where there are none. */
  readonly share: number;
}

/**
 * Distinct-n: the n-grams of words that differ, over all of them (Li et al. 2016, "A
 * diversity-promoting objective function", section 5). It falls with the number of texts: compare
 * sets of one size. Throws RangeError for an n that is no positive integer.
 */
export function distinctNgrams(texts: readonly string[], n: number): DistinctNgrams {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`expected n >= 1, received ${n}`);
  const seen = new Set<string>();
  let total = 0;
  for (const text of texts) {
    const words = wordsOf(text);
    for (let start = 0; start + n <= words.length; start++) {
      seen.add(words.slice(start, start + n).join(' '));
      total += 1;
    }
  }
  return { n, distinct: seen.size, total, share: total === 0 ? 0 : seen.size / total };
}

/** The quantile of the values at `level` in [0, 1], by linear interpolation; NaN for none. */
export function quantile(values: ArrayLike<number>, level: number): number {
  if (values.length === 0) return NaN;
  const sorted = Float64Array.from(values).sort();
  const at = level * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}
