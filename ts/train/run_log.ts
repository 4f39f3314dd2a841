import { readFile } from 'node:fs/promises';

import type { OverlapReport } from '../evaluate/overlap.js';
import type { EvaluationLine, LoopOutcome, StepLine } from './loop.js';
import type { Prepared } from './prepare.js';
import type { RunEvaluation } from './run_evaluation.js';
import type { RunFolder } from './run_folder.js';

/** A line of `timings.jsonl`: what differs from run to run. */
export interface TimingLine {
  readonly step: number;
  readonly textsPerSecond: number;
  /** Resident. */
  readonly memoryBytes: number;
}

/** What a run wrote down of itself. */
export interface RunLog {
  readonly steps: readonly StepLine[];
  readonly looks: readonly EvaluationLine[];
  readonly timings: readonly TimingLine[];
  /** Examples of all steps, and the texts of theirs that were cut. */
  readonly examples: number;
  readonly truncated: number;
}

/** A run that has ended, as its card and its report tell it. */
export interface ToldRun {
  readonly prepared: Prepared;
  /** Null where there is no evaluation set to compare with. */
  readonly overlap: OverlapReport | null;
  readonly seed: number;
  readonly outcome: LoopOutcome;
  readonly evaluation: RunEvaluation;
  readonly log: RunLog;
}

/** Reads `metrics.jsonl` and `timings.jsonl` of a run that has ended. */
export async function readRunLog(folder: Pick<RunFolder, 'metrics' | 'timings'>): Promise<RunLog> {
  const lines = await readLines<StepLine | EvaluationLine>(folder.metrics);
  const steps = lines.filter((line): line is StepLine => line.kind === 'step');
  return {
    steps,
    looks: lines.filter((line): line is EvaluationLine => line.kind === 'evaluation'),
    timings: await readLines<TimingLine>(folder.timings),
    examples: steps.reduce((sum, { examples }) => sum + examples, 0),
    truncated: steps.reduce((sum, { truncated }) => sum + truncated, 0),
  };
}

async function readLines<Line>(path: string): Promise<readonly Line[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
