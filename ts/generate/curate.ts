/** Grades of one triple on 0 to 5: of its anchor with the positive, and with the hard negative. */
export interface TripleGrades {
  readonly positive: number;
  readonly negative: number;
}

/**
 * A curation rule. `margin` asks for a >= b + gamma; `notEqual` is what the released MultiCSR code
 * does in its place, a != b; `off` asks for neither (METHODS 6, D5).
 */
export type CurationRule = { readonly alpha: number; readonly beta: number } & (
  | { readonly gapRule: 'margin'; readonly gamma: number }
  | { readonly gapRule: 'notEqual' | 'off' }
);

/** alpha 3, beta 3, gamma 1; the paper leaves gamma open. */
export const defaultRule: CurationRule = { alpha: 3, beta: 3, gapRule: 'margin', gamma: 1 };

/** Preset 15 of the released code, with its gap check as coded there. */
export const releasedRule: CurationRule = { alpha: 3, beta: 3, gapRule: 'notEqual' };

// (alpha, beta) of the released code's presets without that check, in its order; METHODS 6.
const releasedWithoutGap: readonly (readonly [alpha: number, beta: number])[] = [
  [4, 3],
  [4, 2],
  [5, 3],
  [5, 2],
  [4, 1],
  [4, 0],
  [5, 1],
  [5, 0],
  [3, 0],
  [3, 1],
  [3, 2],
  [5, 4],
  [2, 0],
  [2, 1],
];

/** Every preset of the released code: first the one it names, then the others. */
export const releasedRules: readonly CurationRule[] = [
  releasedRule,
  ...releasedWithoutGap.map(([alpha, beta]): CurationRule => ({ alpha, beta, gapRule: 'off' })),
  ...[4, 2].map((both): CurationRule => ({ alpha: both, beta: both, gapRule: 'notEqual' })),
];

/** Whether a triple with these grades stays in the data. */
export function survives({ positive, negative }: TripleGrades, rule: CurationRule): boolean {
  if (!(positive >= rule.alpha && negative <= rule.beta)) return false;
  if (rule.gapRule === 'margin') return positive >= negative + rule.gamma;
  return rule.gapRule === 'off' || positive !== negative;
}

/** The thresholds that a triple is over or under, in a sentence's middle; for the quarantine file. */
export function ruleInWords(rule: CurationRule): string {
  const bounds = `positive >= ${rule.alpha}, negative <= ${rule.beta}`;
  if (rule.gapRule === 'margin') return `${bounds}, positive >= negative + ${rule.gamma}`;
  return rule.gapRule === 'off' ? bounds : `${bounds}, positive != negative`;
}

/** A negative that is graded above this is one in name only. */
const preFilterBound = 4;

/**
 * MultiCSR's check of what was generated: kept as it is, kept with positive and negative in each
 * other's place, or dropped (METHODS 6).
 */
export function preFilter({ positive, negative }: TripleGrades): 'keep' | 'swap' | 'drop' {
  if (negative <= preFilterBound && positive >= negative) return 'keep';
  return positive <= preFilterBound && positive <= negative ? 'swap' : 'drop';
}
