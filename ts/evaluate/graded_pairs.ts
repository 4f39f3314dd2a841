import type { SentenceEmbedOptions, SentenceEncoder } from '../encoder/sentence_encoder.js';
import { SimgptError } from '../errors.js';
import { distinctRows, encodeTexts } from './encode_texts.js';
import { cosineOfRows, spearman } from './metrics.js';
import { readStsTable } from './sts_rows.js';
import { bootstrapSpearman, percentileInterval } from './uncertainty.js';
import type { Interval } from './uncertainty.js';

/** How an encoder orders the pairs of one small graded file. */
export interface GradedPairsScore {
  readonly pairs: number;
  /** In [-1, 1]; NaN where either side is constant. */
  readonly spearman: number;
  /** The middle 95 % of 1,000 bootstrap resamples, seed 0. */
  readonly interval: Interval;
}

/**
 * Spearman of cosine and grade over a file of graded pairs (header `split subset score sentence1
 * sentence2`, tabs), or one split of it. Throws SimgptError `fileNotFound`, `dataInvalid`.
 */
export async function scoreGradedPairs(
  encoder: SentenceEncoder,
  path: string,
  options: {
    readonly split?: string | undefined;
    readonly embed?: SentenceEmbedOptions | undefined;
    readonly signal?: AbortSignal;
  } = {},
): Promise<GradedPairsScore> {
  const { split, embed, ...rest } = options;
  const table = await readStsTable(path, options.signal);
  const rows = table.rows.filter((row) => split === undefined || row.split === split);
  if (rows.length === 0) {
    const of = split === undefined ? '' : ` of split ${split}`;
    throw new SimgptError('dataInvalid', `expected rows${of} in ${path}, found none`);
  }
  const left = rows.map(({ sentence1 }) => sentence1);
  const right = rows.map(({ sentence2 }) => sentence2);
  const rowOf = distinctRows([left, right]);
  const encoded = await encodeTexts(encoder, [...rowOf.keys()], { ...embed, ...rest });
  const at = (texts: readonly string[]) => Uint32Array.from(texts, (text) => rowOf.get(text)!);
  const cosines = cosineOfRows(encoded.embeddings, encoded.dimensions, at(left), at(right));
  const gold = Float64Array.from(rows, ({ score }) => score);
  const draws = await bootstrapSpearman(gold, cosines, { seed: 0, stream: 0, ...rest });
  return {
    pairs: rows.length,
    spearman: spearman(gold, cosines),
    interval: percentileInterval(draws),
  };
}
