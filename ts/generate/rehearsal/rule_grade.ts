import { contentWords } from './rewrite.js';
import type { Vocabulary } from './vocabulary.js';

const negations = /\b(?:not|no|never|nobody|nothing|none|without|cannot|hardly)\b|n['’]t\b/i;

/**
 * How alike two texts are from 0 to 5, in steps of 0.1, by the words they share, words that say the
 * same, and what contradicts: another detail in place of one, or a negation on one side.
 */
export function ruleGrade(first: string, second: string, vocabulary: Vocabulary): number {
  const left = meanings(first, vocabulary);
  const right = meanings(second, vocabulary);
  if (left.size === 0 || right.size === 0) return first === second ? 5 : 0;
  const shared = [...left].filter((word) => right.has(word)).length;
  const share = (2 * shared) / (left.size + right.size);
  const onlyLeft = [...left].filter((word) => !right.has(word));
  const swapped = onlyLeft.filter((word) =>
    (vocabulary.other.get(word) ?? []).some((relative) => right.has(meaning(relative, vocabulary))),
  ).length;
  const negated = negations.test(first) !== negations.test(second) ? 1 : 0;
  const grade = 5 * Math.sqrt(share) - 0.8 * Math.min(swapped, 3) - 0.8 * negated;
  return Math.round(10 * Math.min(Math.max(grade, 0), 5)) / 10;
}

function meanings(text: string, vocabulary: Vocabulary): ReadonlySet<string> {
  return new Set(contentWords(text).map((word) => meaning(word, vocabulary)));
}

/** One word for all that say the same, whatever their form. */
function meaning(word: string, { same }: Vocabulary): string {
  const one = same.get(word)?.[0]?.toLowerCase() ?? word;
  const known = one < word ? one : word;
  return known.length > 4 ? known.replace(/(?:ing|ed|es|s)$/, '') : known;
}
