import { distinctRows, encodeTexts, throwIfAborted } from './encode_texts.js';
import { cosineOfRows, finiteScore, pearson, spearman, zeroNonFinite } from './metrics.js';
import type { SentenceEmbedOptions, SentenceEncoder } from '../encoder/sentence_encoder.js';
import type { StsData, StsSet } from './sts_data.js';
import { stsTaskNames } from './sts_tasks.js';
import type { StsProtocol, StsTaskName } from './sts_tasks.js';
import { bootstrapSpearman } from './uncertainty.js';

/** One score of one task; correlations in [-1, 1]. */
export interface StsTaskScore {
  readonly name: StsTaskName;
  /** Over the concatenation of all subsets ("all"), never a mean of subsets. */
  readonly spearman: number;
  readonly pearson: number;
  /** False where Spearman was not a number, and so counts as 0. */
  readonly finite: boolean;
  readonly pairs: number;
  /** [draws] Spearman of each bootstrap resample. */
  readonly draws: Float64Array;
  readonly subsets: readonly StsSubsetScore[];
  readonly fingerprint: string;
  /** Without the pairs of which a text is in the training data, where that was looked up. */
  readonly unseen?: { readonly spearman: number; readonly pairs: number };
}

export interface StsSubsetScore {
  readonly name: string;
  readonly spearman: number;
  readonly pairs: number;
}

/** What one model scores on the sets of one protocol. */
export interface StsScores {
  readonly protocol: StsProtocol;
  readonly tasks: readonly StsTaskScore[];
  readonly seed: number;
  readonly fingerprint: string;
  /** Texts encoded: each once, however often it occurs. */
  readonly distinctTexts: number;
  readonly truncatedTexts: number;
  /** Entries of the embeddings that were not finite and count as 0. */
  readonly nonFiniteEntries: number;
}

export interface StsOptions {
  /** Of the bootstrap; default 0. */
  readonly seed?: number;
  /** Bootstrap resamples per task; default 1,000. */
  readonly draws?: number;
  readonly embed?: Omit<SentenceEmbedOptions, 'signal'>;
  /** Whether a text is in the training data: each task is scored without such pairs too. */
  readonly isTrained?: ((text: string) => boolean) | undefined;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Encodes each distinct text once and scores every set by cosine and Spearman (METHODS 11). */
export async function evaluateSts(
  encoder: SentenceEncoder,
  data: StsData,
  { seed = 0, draws = 1000, embed = {}, isTrained, signal, onProgress }: StsOptions = {},
): Promise<StsScores> {
  const rowOf = distinctRows(data.sets.flatMap(({ left, right }) => [left, right]));
  const options = { ...embed, ...(signal === undefined ? {} : { signal }) };
  const encoded = await encodeTexts(encoder, [...rowOf.keys()], options, onProgress);
  const nonFiniteEntries = zeroNonFinite(encoded.embeddings);
  const tasks: StsTaskScore[] = [];
  for (const set of data.sets) {
    throwIfAborted(signal);
    const similarities = cosineOfRows(
      encoded.embeddings,
      encoded.dimensions,
      Uint32Array.from(set.left, (text) => rowOf.get(text)!),
      Uint32Array.from(set.right, (text) => rowOf.get(text)!),
    );
    const stream = stsTaskNames.indexOf(set.name);
    const bootstrap = { seed, stream, draws, ...(signal === undefined ? {} : { signal }) };
    tasks.push({
      ...scoreSet(set, similarities),
      ...(isTrained === undefined ? {} : { unseen: scoreUnseen(set, similarities, isTrained) }),
      draws: await bootstrapSpearman(set.gold, similarities, bootstrap),
    });
  }
  return {
    protocol: data.protocol,
    tasks,
    seed,
    fingerprint: data.fingerprint,
    distinctTexts: rowOf.size,
    truncatedTexts: encoded.truncated,
    nonFiniteEntries,
  };
}

function scoreSet(set: StsSet, similarities: Float64Array): Omit<StsTaskScore, 'draws'> {
  const rho = finiteScore(spearman(set.gold, similarities));
  return {
    name: set.name,
    spearman: rho.value,
    pearson: finiteScore(pearson(set.gold, similarities)).value,
    finite: rho.finite,
    pairs: set.gold.length,
    subsets: scoreSubsets(set, similarities),
    fingerprint: set.fingerprint,
  };
}

/** The score of the pairs that training never saw a text of (METHODS 11.5). */
function scoreUnseen(
  { gold, left, right }: StsSet,
  similarities: Float64Array,
  isTrained: (text: string) => boolean,
): { spearman: number; pairs: number } {
  const rows = [...gold.keys()].filter((row) => !isTrained(left[row]!) && !isTrained(right[row]!));
  const pick = (from: Float64Array): Float64Array => Float64Array.from(rows, (row) => from[row]!);
  const rho = finiteScore(spearman(pick(gold), pick(similarities)));
  return { spearman: rho.value, pairs: rows.length };
}

function scoreSubsets(set: StsSet, similarities: Float64Array): StsSubsetScore[] {
  const rowsOf = new Map<string, number[]>();
  for (const [row, subset] of set.subsets.entries()) {
    const rows = rowsOf.get(subset) ?? [];
    rows.push(row);
    rowsOf.set(subset, rows);
  }
  return [...rowsOf].map(([name, rows]) => {
    const gold = Float64Array.from(rows, (row) => set.gold[row]!);
    const similarity = Float64Array.from(rows, (row) => similarities[row]!);
    return { name, spearman: finiteScore(spearman(gold, similarity)).value, pairs: rows.length };
  });
}
