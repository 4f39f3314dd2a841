import { createDigestSet } from '../files/digest_map.js';
import { comparableText, jaccard } from './minhash.js';
import { createNearDuplicateIndex } from './near_duplicates.js';
import type { TrainingExample } from './training_example.js';

type Texts = Pick<TrainingExample, 'anchor' | 'positive' | 'hardNegatives'>;

/** Equal for rows whose texts are all equal, case and white space apart, and no others. */
export function rowKey({ anchor, positive, hardNegatives }: Texts): string {
  return JSON.stringify([anchor, positive, ...hardNegatives].map(comparableText));
}

export interface DedupOptions {
  /** Also drop near duplicates, from this Jaccard similarity of character 5-grams on. */
  readonly threshold?: number | undefined;
  /**
   * What must be near: anchor and positive of the same earlier row (`pair`, the default, since pairs
   * may well share an anchor), or the anchor alone.
   */
  readonly near?: 'pair' | 'anchor' | undefined;
}

/** Why a row is dropped, or null where it is the first of its kind and kept. */
export type DuplicateKind = 'exact' | 'near' | null;

/** Tells row by row which repeat an earlier kept one. Throws RangeError for a threshold out of range. */
export function createDedup({ threshold, near = 'pair' }: DedupOptions = {}): {
  readonly check: (example: Texts) => DuplicateKind;
  /** Rows for which some comparisons were left out. */
  readonly capped: () => number;
} {
  const seen = createDigestSet();
  const index = threshold === undefined ? undefined : createNearDuplicateIndex({ threshold });
  const positives: string[] = [];
  const isNear = ({ anchor, positive }: Texts): boolean =>
    index!.matches(anchor).some((match) => {
      const other = positives[match.index];
      return (
        other === undefined || similarityOf(comparableText(positive), other) >= (threshold ?? 1)
      );
    });
  return {
    capped: () => index?.capped() ?? 0,
    check: (example) => {
      const key = rowKey(example);
      if (seen.has(key)) {
        return 'exact';
      }
      if (index !== undefined) {
        if (isNear(example)) {
          return 'near';
        }
        index.add(example.anchor);
        if (near === 'pair') {
          positives.push(comparableText(example.positive));
        }
      }
      seen.add(key);
      return null;
    },
  };
}

// Two texts without a letter have no grams, and are alike.
function similarityOf(a: string, b: string): number {
  return a === b ? 1 : jaccard(a, b, 5);
}
