import { spearman } from '../evaluate/metrics.js';

/** How an LLM's scores agree with a small set of gold scores on the same scale. */
export interface Agreement {
  readonly pairs: number;
  /** Null where one side has a single value throughout. */
  readonly spearman: number | null;
  /** Mean of the absolute differences. */
  readonly meanError: number;
  /** Mean of the differences: above 0 where the LLM gives more. */
  readonly meanDifference: number;
}

/** Throws RangeError unless both have the same number of scores, one or more. */
export function agreementOf(gold: readonly number[], scored: readonly number[]): Agreement {
  if (gold.length !== scored.length || gold.length === 0) {
    throw new RangeError(
      `expected as many scores as gold ones, at least one, received ${scored.length} and ${gold.length}`,
    );
  }
  const differences = scored.map((score, index) => score - gold[index]!);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const varies = (values: readonly number[]): boolean => values.some((v) => v !== values[0]);
  return {
    pairs: gold.length,
    spearman:
      varies(gold) && varies(scored)
        ? spearman(Float64Array.from(gold), Float64Array.from(scored))
        : null,
    meanError: mean(differences.map(Math.abs)),
    meanDifference: mean(differences),
  };
}
