import { Encoder } from '../encoder/encoder.js';
import type { SentenceEncoder } from '../encoder/sentence_encoder.js';
import { modelSettings } from '../evaluate/model_settings.js';
import { createStsReport } from '../evaluate/report.js';
import type { ScoredModel, StsReport } from '../evaluate/report.js';
import { evaluateSts } from '../evaluate/sts.js';
import type { StsData } from '../evaluate/sts_data.js';
import { histogram } from '../report/charts.js';
import { scoreDevSets } from './dev_sets.js';
import type { DevScore, DevSet } from './dev_sets.js';
import type { Prepared } from './prepare.js';

/** What the model was and what it became: `evaluation.json`. Correlations in [-1, 1]. */
export interface RunEvaluation {
  readonly dev: readonly DevComparison[];
  /** The selected model on the STS test sets beside the untouched one; null where none were given. */
  readonly test: StsReport | null;
}

export interface DevComparison {
  readonly name: string;
  readonly pairs: number;
  readonly before: DevLook;
  readonly after: DevLook;
}

export interface DevLook {
  readonly spearman: number;
  /** Pairs by similarity: bins of equal width from -1 to 1. */
  readonly histogram: readonly number[];
}

/** How many texts of the test sets are encoded, by the untouched model and then the selected one. */
export interface ScoringProgress {
  readonly model: 'before' | 'after';
  readonly done: number;
  readonly total: number;
}

/** Bins of a look's histogram. */
export const histogramBins = 40;

/** Loads the selected model and the untouched one, and scores both on the same sets. */
export async function evaluateRun(options: {
  /** The selected model's folder. */
  readonly model: string;
  readonly prepared: Prepared;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onScoring?: ((progress: ScoringProgress) => void) | undefined;
}): Promise<RunEvaluation> {
  const { model, prepared, threads, signal, onScoring } = options;
  const { checkpoint, compute, dev, test } = prepared;
  if (dev.length === 0 && test === undefined) return { dev: [], test: null };
  const load = { device: compute.device, precision: 'float32', threads, signal } as const;
  await using before = await Encoder.load(checkpoint.dir, {
    ...load,
    pooling: checkpoint.pooling,
    head: checkpoint.head,
  });
  await using after = await Encoder.load(model, load);
  return {
    dev: await compareOnDev(dev, before, after, signal),
    test:
      test === undefined ? null : await compareOnTest(test, { before, after }, signal, onScoring),
  };
}

async function compareOnDev(
  dev: readonly DevSet[],
  before: SentenceEncoder,
  after: SentenceEncoder,
  signal: AbortSignal | undefined,
): Promise<readonly DevComparison[]> {
  const looks: DevLook[][] = [];
  for (const encoder of [before, after]) {
    looks.push((await scoreDevSets(encoder, dev, signal)).sets.map(lookOf));
  }
  return dev.map(({ name, gold }, i) => ({
    name,
    pairs: gold.length,
    before: looks[0]![i]!,
    after: looks[1]![i]!,
  }));
}

function lookOf({ spearman, similarities }: DevScore): DevLook {
  const counts = histogram(similarities, { bins: histogramBins, range: [-1, 1] });
  return { spearman, histogram: [...counts] };
}

async function compareOnTest(
  data: StsData,
  encoders: Readonly<Record<ScoringProgress['model'], Encoder>>,
  signal: AbortSignal | undefined,
  onScoring: ((progress: ScoringProgress) => void) | undefined,
): Promise<StsReport> {
  const score = async (model: ScoringProgress['model']): Promise<ScoredModel> => {
    const encoder = encoders[model];
    const onProgress = (done: number, total: number) => onScoring?.({ model, done, total });
    const options = { onProgress, ...(signal === undefined ? {} : { signal }) };
    return { settings: modelSettings(encoder), scores: await evaluateSts(encoder, data, options) };
  };
  const compare = await score('before');
  const trained = await score('after');
  const settings = { ...trained.settings, model: 'this model' };
  return createStsReport({ ...trained, settings }, { compare });
}
