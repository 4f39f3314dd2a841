import { comparableText } from '../dataset/minhash.js';
import { createNearDuplicateIndex } from '../dataset/near_duplicates.js';
import type { NearDuplicateOptions } from '../dataset/near_duplicates.js';

/** The texts of one evaluation set. */
export interface EvaluationTexts {
  readonly name: string;
  readonly texts: readonly string[];
}

/** What is scanned: one row of training data. */
export interface ScannedExample {
  readonly id: string;
  readonly source?: string | undefined;
  readonly anchor: string;
  readonly positive: string;
  readonly hardNegatives: readonly string[];
}

/** A training text that is, or nearly is, a text of an evaluation set. */
export interface OverlapMatch {
  readonly id: string;
  readonly source?: string | undefined;
  readonly field: 'anchor' | 'positive' | 'hardNegatives';
  readonly text: string;
  readonly kind: 'exact' | 'near';
  /** Jaccard similarity of character 5-grams; 1 where the two are equal. */
  readonly similarity: number;
  readonly evaluationText: string;
  readonly sets: readonly string[];
}

/** How much of the evaluation is in the training data (METHODS 11.5). */
export interface OverlapReport {
  readonly threshold: number;
  readonly ngram: number;
  /** Rows scanned, and those of them that share a text with any set. */
  readonly examples: number;
  readonly overlapping: number;
  readonly sets: readonly SetOverlap[];
  /** Training texts for which some comparisons were left out. */
  readonly capped: number;
  /** The first matches; `matchesTotal` says how many there are. */
  readonly matches: readonly OverlapMatch[];
  readonly matchesTotal: number;
}

export interface SetOverlap {
  readonly name: string;
  /** Distinct texts, case and white space apart. */
  readonly texts: number;
  /** Of these, the ones that are in the training data. */
  readonly exact: number;
  /** And those of the others of which a near duplicate is. */
  readonly near: number;
  /** Rows of training data that hold one of either. */
  readonly examples: number;
}

export interface OverlapOptions extends NearDuplicateOptions {
  /** Most matches that the report names. Default 100. */
  readonly keepMatches?: number | undefined;
}

/** Looks rows up in evaluation sets, one at a time: memory is that of the sets. */
export interface OverlapScanner {
  /** The matches of one row; empty where it shares nothing. Each call counts a row. */
  readonly check: (example: ScannedExample) => readonly OverlapMatch[];
  readonly report: () => OverlapReport;
  /** Whether a text of the sets was met in a row so far, equal or nearly so. */
  readonly isMet: (text: string) => boolean;
}

/**
 * Tells which rows share a text with an evaluation set: equal once case and white space are removed,
 * or at least 0.8 of the character 5-grams in common. Throws RangeError for options out of range.
 */
export function createOverlapScanner(
  sets: readonly EvaluationTexts[],
  options: OverlapOptions = {},
): OverlapScanner {
  const { threshold = 0.8, ngram = 5, keepMatches = 100 } = options;
  const near = createNearDuplicateIndex({ threshold, ngram });
  const known = createKnownTexts(sets, near.add);
  const met: (undefined | 'exact' | 'near')[] = [];
  const rowsOfSet = sets.map(() => 0);
  const kept: OverlapMatch[] = [];
  const counts = { examples: 0, overlapping: 0, matches: 0 };

  const lookUp = (text: string): readonly Found[] => {
    const equal = known.indexOf(comparableText(text));
    return [
      ...(equal === undefined ? [] : [{ index: equal, similarity: 1, kind: 'exact' as const }]),
      ...near
        .matches(text)
        .filter(({ index }) => index !== equal)
        .map((match) => ({ ...match, kind: 'near' as const })),
    ];
  };
  return {
    isMet: (text) => {
      const index = known.indexOf(comparableText(text));
      return index !== undefined && met[index] !== undefined;
    },
    check: (example) => {
      counts.examples++;
      const matches: OverlapMatch[] = [];
      const touched = new Set<number>();
      for (const { field, text } of textsOf(example)) {
        for (const { index, similarity, kind } of lookUp(text)) {
          met[index] = met[index] === 'exact' ? 'exact' : kind;
          known.setsOf(index).forEach((set) => touched.add(set));
          matches.push({
            id: example.id,
            ...(example.source === undefined ? {} : { source: example.source }),
            field,
            text,
            kind,
            similarity,
            evaluationText: known.textOf(index),
            sets: known.setsOf(index).map((set) => sets[set]!.name),
          });
        }
      }
      touched.forEach((set) => rowsOfSet[set]!++);
      counts.overlapping += matches.length > 0 ? 1 : 0;
      counts.matches += matches.length;
      kept.push(...matches.slice(0, Math.max(0, keepMatches - kept.length)));
      return matches;
    },
    report: () => {
      const tallies = sets.map(() => ({ texts: 0, exact: 0, near: 0 }));
      for (let index = 0; index < near.size(); index++) {
        const kind = met[index];
        for (const set of known.setsOf(index)) {
          const tally = tallies[set]!;
          tally.texts++;
          if (kind !== undefined) {
            tally[kind]++;
          }
        }
      }
      return {
        threshold,
        ngram,
        examples: counts.examples,
        overlapping: counts.overlapping,
        sets: sets.map(({ name }, i) => ({ name, ...tallies[i]!, examples: rowsOfSet[i]! })),
        capped: near.capped(),
        matches: [...kept],
        matchesTotal: counts.matches,
      };
    },
  };
}

interface Found {
  readonly index: number;
  readonly similarity: number;
  readonly kind: 'exact' | 'near';
}

/** {@link createOverlapScanner} over rows that are at hand, or come one by one. */
export async function scanOverlap(
  examples: Iterable<ScannedExample> | AsyncIterable<ScannedExample>,
  sets: readonly EvaluationTexts[],
  options: OverlapOptions = {},
): Promise<OverlapReport> {
  const scanner = createOverlapScanner(sets, options);
  for await (const example of examples) {
    scanner.check(example);
  }
  return scanner.report();
}

function* textsOf({
  anchor,
  positive,
  hardNegatives,
}: ScannedExample): Generator<{ field: OverlapMatch['field']; text: string }> {
  yield { field: 'anchor', text: anchor };
  if (positive !== anchor) {
    yield { field: 'positive', text: positive };
  }
  for (const text of hardNegatives) {
    yield { field: 'hardNegatives', text };
  }
}

/** The distinct texts of the sets, numbered as `add` numbers them. */
function createKnownTexts(
  sets: readonly EvaluationTexts[],
  add: (text: string) => number,
): {
  readonly indexOf: (comparable: string) => number | undefined;
  readonly textOf: (index: number) => string;
  readonly setsOf: (index: number) => readonly number[];
} {
  const byText = new Map<string, number>();
  const texts: string[] = [];
  const members: number[][] = [];
  for (const [set, { texts: own }] of sets.entries()) {
    for (const text of own) {
      const comparable = comparableText(text);
      if (comparable === '') {
        continue;
      }
      let index = byText.get(comparable);
      if (index === undefined) {
        index = add(text);
        byText.set(comparable, index);
        texts.push(text);
        members.push([]);
      }
      if (members[index]!.at(-1) !== set) {
        members[index]!.push(set);
      }
    }
  }
  return {
    indexOf: (comparable) => byText.get(comparable),
    textOf: (index) => texts[index]!,
    setsOf: (index) => members[index]!,
  };
}
