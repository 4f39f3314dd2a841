import { comparableText, createMinHash, jaccard } from './minhash.js';

export interface NearDuplicateOptions {
  /** Least Jaccard similarity of two texts' character n-grams, 0 < threshold <= 1. Default 0.8. */
  readonly threshold?: number | undefined;
  /** Default 5. */
  readonly ngram?: number | undefined;
}

export interface NearDuplicate {
  /** Which text of the index, from 0 in the order of `add`. */
  readonly index: number;
  /** Jaccard similarity of the two, exact; 1 where they differ in case and white space alone. */
  readonly similarity: number;
}

/** Texts among which near duplicates are looked up: some 500 bytes a text beside the text. */
export interface NearDuplicateIndex {
  readonly size: () => number;
  readonly add: (text: string) => number;
  /** All texts of the index at least as similar as the threshold, the most similar first. */
  readonly matches: (text: string) => NearDuplicate[];
  /** How often a text had more than 4,096 texts to be compared with, the rest of which was left out. */
  readonly capped: () => number;
}

// Texts made from one phrase all meet in one band; beyond this many, time would grow as the square.
const maxCandidates = 4096;

/**
 * An index of texts by MinHash; what shares a band is then compared exactly, so `similarity` is never
 * an estimate. Case and white space do not count. Throws RangeError for a threshold out of range.
 */
export function createNearDuplicateIndex(options: NearDuplicateOptions = {}): NearDuplicateIndex {
  const { threshold = 0.8, ngram = 5 } = options;
  if (!(threshold > 0 && threshold <= 1)) {
    throw new RangeError(`expected threshold > 0 and <= 1, received ${threshold}`);
  }
  if (!Number.isInteger(ngram) || ngram < 1 || ngram > 64) {
    throw new RangeError(`expected ngram to be an integer from 1 to 64, received ${ngram}`);
  }
  const sketch = createMinHash({ ngram });
  const texts: string[] = [];
  const grams: Uint32Array[] = [];
  const buckets = createBuckets(sketch.bands);
  let seen = new Uint32Array(1024); // By text: the last query that met it.
  let query = 0;
  let capped = 0;
  return {
    size: () => texts.length,
    capped: () => capped,
    add: (text) => {
      const comparable = comparableText(text);
      const own = sketch.grams(comparable);
      texts.push(comparable);
      grams.push(own);
      buckets.add(own.length === 0 ? undefined : sketch.bandKeys(sketch.signature(own)));
      return texts.length - 1;
    },
    matches: (text) => {
      const comparable = comparableText(text);
      const own = sketch.grams(comparable);
      if (own.length === 0) {
        return [];
      }
      if (seen.length < texts.length) {
        seen = new Uint32Array(2 * texts.length);
        query = 0;
      }
      query++;
      const found: NearDuplicate[] = [];
      let candidates = 0;
      for (const [band, key] of sketch.bandKeys(sketch.signature(own)).entries()) {
        for (const index of buckets.lookUp(band, key)) {
          if (seen[index] === query) {
            continue;
          }
          if (++candidates > maxCandidates) {
            break;
          }
          seen[index] = query;
          if (mayReach(threshold, own, grams[index]!)) {
            const similarity = jaccard(comparable, texts[index]!, ngram);
            if (similarity >= threshold) {
              found.push({ index, similarity });
            }
          }
        }
      }
      capped += candidates > maxCandidates ? 1 : 0;
      return found.sort((a, b) => b.similarity - a.similarity || a.index - b.index);
    },
  };
}

/** Whether two ascending lists of gram hashes can have that Jaccard similarity. */
function mayReach(threshold: number, a: Uint32Array, b: Uint32Array): boolean {
  const needed = Math.ceil((threshold / (1 + threshold)) * (a.length + b.length) - 1e-9);
  let shared = 0;
  let left = 0;
  let right = 0;
  while (left < a.length && right < b.length) {
    if (shared + Math.min(a.length - left, b.length - right) < needed) {
      return false;
    }
    const [first, second] = [a[left]!, b[right]!];
    shared += first === second ? 1 : 0;
    left += first <= second ? 1 : 0;
    right += second <= first ? 1 : 0;
  }
  return shared >= needed;
}

/** Which texts have a band key: one hash table for all bands, chained through typed arrays. */
function createBuckets(bands: number): {
  readonly add: (keys: Uint32Array | undefined) => void;
  readonly lookUp: (band: number, key: number) => Iterable<number>;
} {
  let size = 0; // Texts added; entry text * bands + band belongs to a text's band.
  let keys = new Uint32Array(bands * 256);
  let next = new Int32Array(bands * 256);
  let heads = new Int32Array(bands * 512).fill(-1);
  const slotOf = (band: number, key: number): number =>
    (Math.imul(key ^ Math.imul(band + 1, 0x9e3779b9), 0x85ebca6b) >>> 0) % heads.length;
  const link = (entry: number): void => {
    const slot = slotOf(entry % bands, keys[entry]!);
    next[entry] = heads[slot]!;
    heads[slot] = entry;
  };
  const grow = (): void => {
    const grown = new Uint32Array(2 * keys.length);
    grown.set(keys);
    keys = grown;
    // Texts without a key stay out of the new table as of the old one.
    const linked = next;
    next = new Int32Array(keys.length).fill(unlinked);
    heads = new Int32Array(2 * keys.length).fill(-1);
    for (let entry = 0; entry < size * bands; entry++) {
      if (linked[entry] !== unlinked) {
        link(entry);
      }
    }
  };
  return {
    add: (own) => {
      if ((size + 1) * bands > keys.length) {
        grow();
      }
      for (let band = 0; band < bands; band++) {
        const entry = size * bands + band;
        if (own === undefined) {
          next[entry] = unlinked;
        } else {
          keys[entry] = own[band]!;
          link(entry);
        }
      }
      size++;
    },
    *lookUp(band, key) {
      for (let entry = heads[slotOf(band, key)]!; entry >= 0; entry = next[entry]!) {
        if (entry % bands === band && keys[entry] === key) {
          yield (entry - band) / bands;
        }
      }
    },
  };
}

const unlinked = -2;

/** Which texts repeat an earlier one. */
export interface NearDuplicates {
  /** For each text the earlier text it repeats, or -1 where it is the first of its kind. */
  readonly duplicateOf: Int32Array;
  /** Similarity to that text; 0 where there is none. */
  readonly similarity: Float64Array;
  /** Texts for which some comparisons were left out; see {@link NearDuplicateIndex}. */
  readonly capped: number;
}

/**
 * Goes through texts in order and keeps those that are near no kept one. A text is compared with kept
 * texts alone, so a chain of small changes does not melt into one.
 */
export function nearDuplicates(
  texts: readonly string[],
  options: NearDuplicateOptions = {},
): NearDuplicates {
  const index = createNearDuplicateIndex(options);
  const kept: number[] = [];
  const duplicateOf = new Int32Array(texts.length).fill(-1);
  const similarity = new Float64Array(texts.length);
  for (const [i, text] of texts.entries()) {
    const [first] = index.matches(text);
    if (first === undefined) {
      index.add(text);
      kept.push(i);
    } else {
      duplicateOf[i] = kept[first.index]!;
      similarity[i] = first.similarity;
    }
  }
  return { duplicateOf, similarity, capped: index.capped() };
}
