// The card and the report of a finished run, with an encoder's word on its pairs where one is named.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Example } from '../generate/example.js';
import type { GenerateResult } from '../generate/generate.js';
import type { PairSimilarities, RunReportOptions } from '../generate/report_page.js';
import type { Commit, GenerationPlan } from '../generate/run_records.js';
import type { GenerationFlags } from './generation_options.js';

/** Writes card.md and report.html where the run is new, they are missing, or an encoder is named. */
export async function reportRun(
  folder: string,
  plan: GenerationPlan,
  { kind, commit, ledger }: GenerateResult & { readonly commit: Commit },
  { model, priceTable }: Pick<GenerationFlags, 'model' | 'priceTable'>,
): Promise<void> {
  const { cardName, reportName } = await import('../generate/report_page.js');
  const names = [cardName, reportName];
  const there = await Promise.all(names.map((name) => lstat(join(folder, name)).catch(() => null)));
  if (kind === 'finishedBefore' && model === undefined && !there.includes(null)) return;
  await writeReport(folder, { plan, commit, ledger }, { model, priceTable });
}

/** What a report is made of beside the run itself. */
export interface ReportSources {
  readonly model?: string | undefined;
  readonly priceTable?: string | undefined;
  /** A file that `simgpt data overlap` wrote. */
  readonly overlap?: string | undefined;
}

/** Writes both files and returns their names. */
export async function writeReport(
  folder: string,
  run: Pick<RunReportOptions, 'plan' | 'commit' | 'ledger'>,
  { model, priceTable, overlap }: ReportSources,
): Promise<readonly string[]> {
  const [{ cardName, reportName, writeRunReport }, { readPrices }] = await Promise.all([
    import('../generate/report_page.js'),
    import('../generate/prices.js'),
  ]);
  const { readOverlapResult } = await import('../generate/overlap_result.js');
  const { overlapName } = await import('../generate/overlap_rows.js');
  // What the run itself found, unless another scan of its rows is given.
  const own = run.commit.files.some(({ name }) => name === overlapName);
  const found = overlap ?? (own ? join(folder, overlapName) : undefined);
  await writeRunReport(folder, {
    ...run,
    overlap: found === undefined ? undefined : await readOverlapResult(found, run.commit),
    prices: await readPrices(priceTable),
    measure: model === undefined ? undefined : (rows) => measure(model, rows),
  });
  return [cardName, reportName];
}

/** Cosine of each anchor with its positive and with its first hard negative. */
async function measure(model: string, rows: readonly Example[]): Promise<PairSimilarities> {
  const { Encoder } = await import('../encoder/encoder.js');
  await using encoder = await Encoder.load(model);
  const vectors = async (texts: readonly string[]) =>
    (await encoder.embed(texts, { normalize: true })).embeddings;
  const anchors = await vectors(rows.map(({ anchor }) => anchor));
  const positives = await vectors(rows.map(({ positive }) => positive));
  const withNegative = rows.flatMap(({ hardNegatives }, at) =>
    hardNegatives[0] === undefined ? [] : [{ at, text: hardNegatives[0] }],
  );
  const negatives = await vectors(withNegative.map(({ text }) => text));
  const width = encoder.dimensions;
  const cosine = (a: number, other: Float32Array, b: number): number => {
    let sum = 0;
    for (let i = 0; i < width; i += 1) sum += anchors[a * width + i]! * other[b * width + i]!;
    return sum;
  };
  const hardNegatives = rows.map(() => NaN);
  for (const [index, { at }] of withNegative.entries()) {
    hardNegatives[at] = cosine(at, negatives, index);
  }
  return {
    model: encoder.checkpoint.id,
    positives: rows.map((_, at) => cosine(at, positives, at)),
    hardNegatives,
    anchors: { embeddings: anchors, dimensions: width },
  };
}
