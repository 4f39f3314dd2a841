import type { SentenceEncoder } from '../encoder/sentence_encoder.js';
import { distinctRows, encodeTexts } from './encode_texts.js';
import { cosineOfRows, spearman } from './metrics.js';
import { readStsTable } from './sts_rows.js';

/** How an encoder orders the pairs of one small graded file. */
export interface GradedPairsScore {
  readonly pairs: number;
  /** In [-1, 1]; NaN where either side is constant. */
  readonly spearman: number;
}

/**
 * Spearman of cosine and grade over one split of a file of graded pairs (header `split subset score
 * sentence1 sentence2`, tabs). Throws SimgptError `fileNotFound`, `dataInvalid`.
 */
export async function scoreGradedPairs(
  encoder: SentenceEncoder,
  path: string,
  options: { readonly split: string; readonly signal?: AbortSignal },
): Promise<GradedPairsScore> {
  const { split, ...rest } = options;
  const rows = (await readStsTable(path, options.signal)).rows.filter((row) => row.split === split);
  const left = rows.map(({ sentence1 }) => sentence1);
  const right = rows.map(({ sentence2 }) => sentence2);
  const rowOf = distinctRows([left, right]);
  const encoded = await encodeTexts(encoder, [...rowOf.keys()], { normalize: true, ...rest });
  const at = (texts: readonly string[]) => Uint32Array.from(texts, (text) => rowOf.get(text)!);
  const cosines = cosineOfRows(encoded.embeddings, encoded.dimensions, at(left), at(right));
  const gold = Float64Array.from(rows, ({ score }) => score);
  return { pairs: rows.length, spearman: spearman(gold, cosines) };
}
