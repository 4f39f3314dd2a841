import { philox4x32 } from '#dist/random/philox.js';

/** What a row of the soak has to say. */
export interface SoakResult {
  readonly trials: number;
  /** A sentence each; none where the row passes. */
  readonly failures: readonly string[];
  /** Figures for the report. */
  readonly notes: Readonly<Record<string, number | string>>;
}

/** A whole number from `least` to `most` as a function of seed and index. */
export function drawn(seed: number, index: number, least: number, most: number): number {
  const counter = Uint32Array.of(index, 0, 0, 0);
  philox4x32(counter, seed, 0);
  return least + (counter[0]! % (most - least + 1));
}
