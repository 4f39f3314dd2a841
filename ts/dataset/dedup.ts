import { createHash } from 'node:crypto';
import { comparableText, jaccard } from './minhash.js';
import { createNearDuplicateIndex } from './near_duplicates.js';
import type { TrainingExample } from './training_example.js';

type Texts = Pick<TrainingExample, 'anchor' | 'positive' | 'hardNegatives'>;

/** Equal for rows whose texts are all equal, case and white space apart; 128 bits of a sha256. */
export function rowKey({ anchor, positive, hardNegatives }: Texts): string {
  const texts = [anchor, positive, ...hardNegatives].map(comparableText);
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64').slice(0, 22);
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
  const seen = new Set<string>();
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
