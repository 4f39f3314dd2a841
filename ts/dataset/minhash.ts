import { fillPhilox } from '../random/philox.js';

/** How texts are sketched. Bands of rows: two texts are compared where one band agrees whole. */
export interface MinHashOptions {
  /** UTF-16 units in a gram. Default 5 (METHODS 11.5). */
  readonly ngram?: number | undefined;
  /**
   * Default 25 bands of 5 rows: a pair with Jaccard similarity s is compared with probability
   * 1 - (1 - s^5)^25, which is 0.99995 at 0.8, 0.54 at 0.5 and 0.008 at 0.2.
   */
  readonly bands?: number | undefined;
  readonly rows?: number | undefined;
}

/** Sketches of texts, the same in every process. */
export interface MinHash {
  readonly ngram: number;
  readonly bands: number;
  /** Hashes of a text's distinct grams, ascending; a text shorter than a gram is one gram. */
  readonly grams: (text: string) => Uint32Array;
  /** The least value of each hash function over the grams: equal with probability Jaccard. */
  readonly signature: (grams: Uint32Array) => Uint32Array;
  /** One hash a band of a signature. */
  readonly bandKeys: (signature: Uint32Array) => Uint32Array;
}

/** A text as duplicates are told: lower-cased, without white space (METHODS 11.5). */
export function comparableText(text: string): string {
  return text.toLowerCase().replace(/\s+/gu, '');
}

/**
 * MinHash over character n-grams (Broder 1997, "On the resemblance and containment of documents"),
 * banded (Leskovec, Rajaraman and Ullman 2014, section 3.4). Texts are taken as they come:
 * {@link comparableText} first.
 */
export function createMinHash({ ngram = 5, bands = 25, rows = 5 }: MinHashOptions = {}): MinHash {
  const count = bands * rows;
  // A hash function is an odd factor and a summand, both fixed for ever.
  const constants = new Uint32Array(2 * count);
  fillPhilox(constants, { seed: 0x6d696e, stream: 1, draw: 0 });
  const factors = constants.subarray(0, count).map((word) => word | 1);
  const summands = constants.subarray(count);
  return {
    ngram,
    bands,
    grams: (text) => gramsOf(text, ngram),
    signature: (grams) => {
      const least = new Uint32Array(count).fill(0xffffffff);
      for (const gram of grams) {
        for (let i = 0; i < count; i++) {
          const hash = (Math.imul(gram, factors[i]!) + summands[i]!) >>> 0;
          if (hash < least[i]!) {
            least[i] = hash;
          }
        }
      }
      return least;
    },
    bandKeys: (signature) => {
      const keys = new Uint32Array(bands);
      for (let band = 0; band < bands; band++) {
        let key = band;
        for (let row = 0; row < rows; row++) {
          key = mix(key ^ signature[band * rows + row]!);
        }
        keys[band] = key;
      }
      return keys;
    },
  };
}

function gramsOf(text: string, ngram: number): Uint32Array {
  const length = Math.max(text.length === 0 ? 0 : 1, text.length - ngram + 1);
  const hashes = new Uint32Array(length);
  for (let start = 0; start < length; start++) {
    let hash = 0x811c9dc5;
    for (let i = start; i < Math.min(start + ngram, text.length); i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    }
    hashes[start] = mix(hash);
  }
  hashes.sort();
  let kept = 0;
  for (let i = 0; i < length; i++) {
    if (i === 0 || hashes[i] !== hashes[i - 1]) {
      hashes[kept++] = hashes[i]!;
    }
  }
  return hashes.slice(0, kept);
}

/** Spreads every bit over the word: the last step of MurmurHash3 (Appleby, public domain). */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Jaccard similarity of the sets of n-grams of two texts, from the characters themselves. */
export function jaccard(a: string, b: string, ngram: number): number {
  const first = gramSet(a, ngram);
  const second = gramSet(b, ngram);
  let shared = 0;
  for (const gram of first) {
    shared += second.has(gram) ? 1 : 0;
  }
  const union = first.size + second.size - shared;
  return union === 0 ? 0 : shared / union;
}

function gramSet(text: string, ngram: number): ReadonlySet<string> {
  const grams = new Set<string>();
  const length = Math.max(text.length === 0 ? 0 : 1, text.length - ngram + 1);
  for (let start = 0; start < length; start++) {
    grams.add(text.slice(start, start + ngram));
  }
  return grams;
}
