/** Mean and spread of one value over seeds. */
export interface Spread {
  readonly mean: number;
  /** Of the sample, n − 1; null for one seed. */
  readonly sd: number | null;
  readonly min: number;
  readonly max: number;
}

/** What several seeds of one run came to (METHODS 11.3); correlations in [-1, 1]. */
export interface SeedSummary {
  readonly seeds: readonly number[];
  /** Of the dev score that each model was selected by; null without dev sets. */
  readonly devScore: Spread | null;
  /** Of the mean over the test sets; null without them. */
  readonly testScore: Spread | null;
  readonly steps: Spread;
}

/** Mean, sample standard deviation, least and largest. Throws RangeError for no values. */
export function spreadOf(values: readonly number[]): Spread {
  const [first] = values;
  if (first === undefined) throw new RangeError('expected at least one value, received none');
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    mean,
    sd: values.length === 1 ? null : Math.sqrt(squares / (values.length - 1)),
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

export function summarizeSeeds(
  runs: readonly {
    readonly seed: number;
    readonly steps: number;
    readonly testScore: number | null;
    readonly selected: { readonly score: number | null };
  }[],
): SeedSummary {
  return {
    seeds: runs.map(({ seed }) => seed),
    devScore: spreadOfAll(runs.map(({ selected }) => selected.score)),
    testScore: spreadOfAll(runs.map(({ testScore }) => testScore)),
    steps: spreadOf(runs.map(({ steps }) => steps)),
  };
}

function spreadOfAll(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  return known.length === values.length ? spreadOf(known) : null;
}
