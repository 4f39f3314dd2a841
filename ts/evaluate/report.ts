import type { StsScores, StsTaskScore } from './sts.js';
import { stsTasks } from './sts_tasks.js';
import type { StsProtocol, StsTaskName } from './sts_tasks.js';
import { percentileInterval } from './uncertainty.js';
import type { Interval } from './uncertainty.js';

/** How a model was run: written beside every score. */
export interface ModelSettings {
  readonly model: string;
  readonly revision: string | null;
  /** Joined by `+` where several are concatenated. */
  readonly pooling: string;
  readonly head: string;
  readonly normalize: boolean;
  readonly maxTokens: number;
  readonly precision: string;
  /** The name of the prompt, or null for none. */
  readonly prompt: string | null;
  readonly dimensions: number;
}

/** All correlations and intervals here are x 100. */
export interface StsReport {
  readonly protocol: StsProtocol;
  readonly model: string;
  readonly average: number;
  readonly tasks: readonly StsReportTask[];
  readonly averageInterval: Interval;
  /** The mean of the tasks' scores without pairs that share a text with the training data. */
  readonly averageUnseen?: number;
  readonly settings: Omit<ModelSettings, 'model'>;
  readonly data: {
    readonly rows: number;
    readonly distinctTexts: number;
    readonly fingerprint: string;
  };
  readonly bootstrap: { readonly seed: number; readonly draws: number; readonly level: number };
  readonly warnings: readonly string[];
  readonly compare?: StsComparison;
}

export interface StsReportTask {
  readonly name: StsTaskName;
  readonly spearman: number;
  readonly interval: Interval;
  readonly pairs: number;
  readonly pearson: number;
  readonly fingerprint: string;
  readonly subsets?: readonly StsReportSubset[];
  /** Without the pairs of which a text is in the training data, where that was looked up. */
  readonly unseen?: { readonly spearman: number; readonly pairs: number };
}

export interface StsReportSubset {
  readonly name: string;
  readonly spearman: number;
  readonly pairs: number;
}

/** A second model on the same rows and the same bootstrap draws; differences are first less second. */
export interface StsComparison {
  readonly model: string;
  readonly average: number;
  readonly difference: number;
  readonly interval: Interval;
  readonly tasks: readonly {
    readonly name: StsTaskName;
    readonly spearman: number;
    readonly difference: number;
    readonly interval: Interval;
  }[];
  readonly settings: Omit<ModelSettings, 'model'>;
  readonly warnings: readonly string[];
}

export interface ScoredModel {
  readonly settings: ModelSettings;
  readonly scores: StsScores;
}

/** Turns scores into what is printed, with the protocol's rounding. The same input, the same report. */
export function createStsReport(
  first: ScoredModel,
  options: { readonly subsets?: boolean; readonly compare?: ScoredModel } = {},
): StsReport {
  const { scores, settings } = first;
  const { model, ...rest } = settings;
  return {
    protocol: scores.protocol,
    model,
    average: averageOf(scores),
    tasks: scores.tasks.map((task) => reportTask(task, scores, options.subsets ?? false)),
    averageInterval: interval(averageDraws(scores)),
    ...averageUnseen(scores),
    settings: rest,
    data: {
      rows: scores.tasks.reduce((sum, task) => sum + task.pairs, 0),
      distinctTexts: scores.distinctTexts,
      fingerprint: scores.fingerprint,
    },
    bootstrap: { seed: scores.seed, draws: scores.tasks[0]?.draws.length ?? 0, level: 0.95 },
    warnings: warningsOf(first),
    ...(options.compare === undefined ? {} : { compare: compare(first, options.compare) }),
  };
}

function reportTask(task: StsTaskScore, scores: StsScores, subsets: boolean): StsReportTask {
  return {
    name: task.name,
    spearman: rounded(task.spearman, scores.protocol),
    interval: interval(task.draws),
    pairs: task.pairs,
    pearson: sixDecimals(task.pearson * 100),
    fingerprint: task.fingerprint,
    ...(task.unseen === undefined
      ? {}
      : {
          unseen: {
            spearman: rounded(task.unseen.spearman, scores.protocol),
            pairs: task.unseen.pairs,
          },
        }),
    ...(subsets
      ? {
          subsets: task.subsets.map(({ name, spearman, pairs }) => ({
            name,
            spearman: rounded(spearman, scores.protocol),
            pairs,
          })),
        }
      : {}),
  };
}

// senteval's tables are made of scores already rounded to two decimals (METHODS 11.2, rounding).
function rounded(rho: number, protocol: StsProtocol): number {
  return protocol === 'senteval' ? Number((rho * 100).toFixed(2)) : sixDecimals(rho * 100);
}

function averageOf({ tasks, protocol }: StsScores): number {
  const values = tasks.map((task) =>
    protocol === 'senteval' ? rounded(task.spearman, protocol) : task.spearman * 100,
  );
  return sixDecimals(values.reduce((sum, value) => sum + value, 0) / values.length);
}

function averageUnseen({ tasks, protocol }: StsScores): { averageUnseen?: number } {
  const found = tasks.flatMap(({ unseen }) => (unseen === undefined ? [] : [unseen.spearman]));
  if (found.length === 0 || found.length < tasks.length) return {};
  const values = found.map((rho) => (protocol === 'senteval' ? rounded(rho, protocol) : rho * 100));
  return { averageUnseen: sixDecimals(values.reduce((sum, rho) => sum + rho, 0) / values.length) };
}

function averageDraws({ tasks }: StsScores): Float64Array {
  const average = new Float64Array(tasks[0]?.draws.length ?? 0);
  for (const { draws } of tasks) {
    for (let i = 0; i < average.length; i++) {
      average[i]! += draws[i]! / tasks.length;
    }
  }
  return average;
}

function interval(draws: Float64Array): Interval {
  const [low, high] = percentileInterval(draws);
  return [sixDecimals(low * 100), sixDecimals(high * 100)];
}

function sixDecimals(value: number): number {
  return Number(value.toFixed(6));
}

function compare(first: ScoredModel, second: ScoredModel): StsComparison {
  const { protocol } = first.scores;
  const { model, ...settings } = second.settings;
  const tasks = second.scores.tasks.map((task, i) => {
    const other = first.scores.tasks[i]!;
    const spearman = rounded(task.spearman, protocol);
    return {
      name: task.name,
      spearman,
      difference: sixDecimals(rounded(other.spearman, protocol) - spearman),
      interval: interval(subtract(other.draws, task.draws)),
    };
  });
  const average = averageOf(second.scores);
  return {
    model,
    average,
    difference: sixDecimals(averageOf(first.scores) - average),
    interval: interval(subtract(averageDraws(first.scores), averageDraws(second.scores))),
    tasks,
    settings,
    warnings: warningsOf(second),
  };
}

function subtract(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!);
}

function warningsOf({ scores, settings }: ScoredModel): string[] {
  const warnings: string[] = [];
  const { truncatedTexts, distinctTexts, nonFiniteEntries } = scores;
  if (truncatedTexts > 0) {
    const texts = `${truncatedTexts} of ${distinctTexts} texts were cut`;
    warnings.push(`${texts} at ${settings.maxTokens} tokens`);
  }
  if (nonFiniteEntries > 0) {
    warnings.push(`${nonFiniteEntries} entries of embeddings were not finite and count as 0`);
  }
  for (const task of scores.tasks.filter(({ finite }) => !finite)) {
    warnings.push(`${stsTasks[task.name].title}: Spearman was not a number and counts as 0`);
  }
  return warnings;
}
