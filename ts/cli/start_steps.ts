// The steps of `simgpt start` behind the model: each prints what it found and gives it to the page.
import { join } from 'node:path';

import type { TrainingExample } from '../dataset/training_example.js';
import type { Encoder } from '../encoder/encoder.js';
import { SimgptError } from '../errors.js';
import { modelSettings } from '../evaluate/model_settings.js';
import type { StsReport } from '../evaluate/report.js';
import { generationOptions } from './generation_options.js';
import type { GenerationFlags } from './generation_options.js';

/** Examples that the rehearsal writes. */
export const rehearsedExamples = 300;

/** What the rehearsal wrote, and how the encoder sees it. */
export interface Rehearsed {
  readonly folder: string;
  readonly triples: readonly TrainingExample[];
  /** Cosine of anchor and positive, and of anchor and hard negative, by triple. */
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

/** Writes 300 examples offline from the package's own sentences, into a run like any other. */
export async function rehearse(folder: string, encoder: Encoder): Promise<Rehearsed> {
  const [{ runGeneration }, { shippedData }, { dataName }] = await Promise.all([
    import('./generation_run.js'),
    import('../generate/shipped_data.js'),
    import('../generate/artefact.js'),
  ]);
  const result = await runGeneration('simgpt', {
    ...defaultFlags(),
    provider: 'rehearsal',
    input: shippedData('sentences.txt'),
    limit: rehearsedExamples,
    output: folder,
    changedInput: true,
  });
  if (result?.commit === undefined) {
    throw new SimgptError('cancelled', 'the rehearsal stopped; run the same command to go on');
  }
  const triples = await readTriples(join(folder, dataName));
  return { folder, triples, ...(await similarities(encoder, triples)) };
}

/** The flags of `simgpt generate` where none is given. */
function defaultFlags(): GenerationFlags {
  const defaults = generationOptions().flatMap((option) => {
    const value: unknown = option.negate ? true : option.defaultValue;
    return value === undefined ? [] : [[option.attributeName(), value] as const];
  });
  return Object.fromEntries(defaults) as unknown as GenerationFlags;
}

async function readTriples(path: string): Promise<readonly TrainingExample[]> {
  const { readExamples } = await import('../dataset/examples.js');
  const triples: TrainingExample[] = [];
  for await (const row of readExamples(path)) if (row.problem === undefined) triples.push(row);
  return triples;
}

async function similarities(
  encoder: Encoder,
  triples: readonly TrainingExample[],
): Promise<Pick<Rehearsed, 'positives' | 'negatives'>> {
  const { cosineOfRows } = await import('../evaluate/metrics.js');
  const texts = triples.flatMap((row) => [row.anchor, row.positive, row.hardNegatives[0] ?? '']);
  const { embeddings, shape } = await encoder.embed(texts, { normalize: true });
  const rows = (offset: number) => Uint32Array.from(triples, (_, i) => 3 * i + offset);
  const cosines = (offset: number) => cosineOfRows(embeddings, shape[1], rows(0), rows(offset));
  return { positives: cosines(1), negatives: cosines(2) };
}

/** In how many triples the positive is nearer to the anchor than the hard negative. */
export function nearerPositives({ positives, negatives }: Rehearsed): number {
  return positives.reduce((count, value, i) => count + (value > negatives[i]! ? 1 : 0), 0);
}

export interface NearestTexts {
  readonly query: string;
  readonly found: readonly { readonly text: string; readonly cosine: number }[];
}

/** The two sentences nearest to each query, by cosine. */
export async function findNearest(
  encoder: Encoder,
  queries: readonly string[],
  sentences: readonly string[],
  signal: AbortSignal,
): Promise<readonly NearestTexts[]> {
  const { cosineOfRows } = await import('../evaluate/metrics.js');
  const { embeddings, shape } = await encoder.embed([...queries, ...sentences], {
    normalize: true,
    signal,
  });
  return queries.map((query, at) => {
    const left = new Uint32Array(sentences.length).fill(at);
    const right = Uint32Array.from(sentences, (_, i) => queries.length + i);
    const cosines = cosineOfRows(embeddings, shape[1], left, right);
    const found = sentences.map((text, i) => ({ text, cosine: cosines[i]! }));
    return { query, found: found.sort((a, b) => b.cosine - a.cosine).slice(0, 2) };
  });
}

/** Spearman on the package's own graded pairs: all of them, or those of one split. */
export async function scoreOwnPairs(encoder: Encoder, signal: AbortSignal, split?: 'test') {
  const [{ scoreGradedPairs }, { shippedData }] = await Promise.all([
    import('../evaluate/graded_pairs.js'),
    import('../generate/shipped_data.js'),
  ]);
  return scoreGradedPairs(encoder, shippedData('pairs.tsv'), { split, signal });
}

export interface StsTable {
  readonly report: StsReport;
  readonly texts: number;
  readonly seconds: number;
}

/** The seven STS test sets of a folder. */
export async function scoreSts(
  encoder: Encoder,
  folder: string,
  signal: AbortSignal,
): Promise<StsTable> {
  const [{ loadStsData }, { evaluateSts }, { createStsReport }] = await Promise.all([
    import('../evaluate/sts_data.js'),
    import('../evaluate/sts.js'),
    import('../evaluate/report.js'),
  ]);
  const sets = await loadStsData({ folders: [folder], protocol: 'mteb', signal });
  const started = performance.now();
  const scores = await evaluateSts(encoder, sets, { signal });
  return {
    report: createStsReport({ settings: modelSettings(encoder, {}), scores }),
    texts: scores.distinctTexts,
    seconds: (performance.now() - started) / 1000,
  };
}
