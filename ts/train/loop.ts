import { readdir, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { TrainingBatch } from '../dataset/batches.js';
import { SimgptError } from '../errors.js';
import { syncFolder, writeFailure, writeFileAtomic } from '../files/atomic.js';
import { isSystemError } from '../files/json.js';
import { openNewestCheckpoint, saveCheckpoint, stepName } from './checkpoints.js';
import type { RunState } from './checkpoints.js';
import { appendLine, cutTornLine, openMetricsLog } from './metrics_log.js';
import type { MetricsLog } from './metrics_log.js';
import type { RunFolder } from './run_folder.js';
import { learningRateAt } from './schedule.js';
import type { Schedule } from './schedule.js';
import type { BatchSource, Evaluate, TrainableModel } from './trainable.js';

export interface LoopOptions {
  readonly folder: RunFolder;
  readonly model: TrainableModel;
  readonly batches: BatchSource;
  /** Absent: the last step's model is the selected one. */
  readonly evaluate?: Evaluate | undefined;
  readonly totalSteps: number;
  readonly learningRate: number;
  readonly schedule: Schedule;
  readonly maxGradNorm: number | null;
  readonly evaluateEvery: number;
  /** False: the last step only where `evaluateEvery` divides it, as the released trainers. Default true. */
  readonly evaluateLast?: boolean | undefined;
  readonly checkpointEvery: number;
  /** Evaluations without a better score before the run stops; null for never. */
  readonly patience: number | null;
  /** Stops after the step in hand, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
}

/** One line of `metrics.jsonl`, and what it took. */
export type TrainEvent =
  | { readonly kind: 'resumed'; readonly step: number }
  | StepLine
  | EvaluationLine
  | { readonly kind: 'timing'; readonly step: number; readonly textsPerSecond: number };

export interface StepLine {
  readonly kind: 'step';
  /** From 1: steps done. */
  readonly step: number;
  readonly epoch: number;
  readonly examples: number;
  readonly loss: number;
  readonly parts: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** Global, before clipping. */
  readonly gradientNorm: number;
  /** Texts of the batch that were cut to the tokens of training. */
  readonly truncated: number;
}

export interface EvaluationLine {
  readonly kind: 'evaluation';
  /** 0: the model before training, which is never selected. */
  readonly step: number;
  readonly scores: Readonly<Record<string, number>>;
  readonly score: number;
  readonly alignment: number | null;
  readonly uniformity: number | null;
  readonly selected: boolean;
}

/** How a run ended. */
export interface LoopOutcome {
  readonly steps: number;
  /** The model in `model/`; without dev sets the last step's, its score null. */
  readonly selected: { readonly step: number; readonly score: number | null };
  readonly stoppedEarly: boolean;
}

type Counters = Omit<RunState, 'formatVersion' | 'metrics'>;

/** A run in progress. */
interface Run {
  readonly options: LoopOptions;
  readonly log: MetricsLog;
  /** Where it stands: what the next checkpoint says. */
  at: Counters;
  /** What the last checkpoint says; null before the first. */
  saved: Counters | null;
}

/** What the batch was that a run stopped at. */
const divergedFile = 'diverged.json';

const start: Counters = {
  step: 0,
  evaluatedStep: -1,
  best: null,
  withoutGain: 0,
  finished: false,
};

/**
 * Trains from the newest whole checkpoint of the folder to the end: equal plans give equal weights,
 * counters and metrics, wherever they were stopped. Throws SimgptError `cancelled` after an abort,
 * `ioFailed` where the disk fails and `trainingDiverged` where a loss or gradient is not finite; the
 * last checkpoint is then whole.
 */
export async function runLoop(options: LoopOptions): Promise<LoopOutcome> {
  const { folder, model, totalSteps, signal } = options;
  await rm(join(folder.path, divergedFile), { force: true });
  await cutTornLine(folder.timings);
  const saved = await openNewestCheckpoint(folder.checkpoints);
  if (saved !== undefined) {
    await model.loadState(saved.trainingPath);
    options.onEvent?.({ kind: 'resumed', step: saved.state.step });
  }
  await using log = await openMetricsLog(folder.metrics, saved?.state.metrics);
  const at = saved?.state;
  const run: Run = { options, log, at: at ?? start, saved: at ?? null };
  try {
    for (;;) {
      await evaluateIfDue(run);
      const { step, finished } = run.at;
      if (finished || (step > 0 && step % options.checkpointEvery === 0)) await checkpoint(run);
      if (finished) break;
      if (signal?.aborted) await stop(run);
      await trainStep(run);
    }
    const selected = await publish(run);
    return { steps: run.at.step, selected, stoppedEarly: run.at.step < totalSteps };
  } catch (error) {
    throw withLastCheckpoint(error, run);
  }
}

/** One batch forwards and backwards, one update, one line. */
async function trainStep(run: Run): Promise<void> {
  const { options, log } = run;
  const { step: index } = run.at;
  const started = performance.now();
  const batch = options.batches.batchAt(index);
  const learningRate = learningRateAt(index, options);
  const found = await update(run, batch, learningRate);
  const line: StepLine = {
    kind: 'step',
    step: index + 1,
    epoch: batch.epoch,
    examples: batch.examples.length,
    learningRate,
    ...found,
  };
  await log.append({ ...line });
  run.at = { ...run.at, step: index + 1 };
  options.onEvent?.(line);
  await recordTime(run, batch, performance.now() - started);
}

async function update(
  { options: { model, maxGradNorm, folder } }: Run,
  batch: TrainingBatch,
  learningRate: number,
) {
  try {
    const { loss, parts, truncated = 0 } = await model.accumulate(batch);
    expectFinite('the loss', loss);
    for (const [name, value] of Object.entries(parts)) expectFinite(`the loss ${name}`, value);
    const gradientNorm = await model.update({ learningRate, maxGradNorm });
    expectFinite('the gradient norm', gradientNorm);
    return { loss: loss + 0, parts: withoutNegativeZero(parts), gradientNorm, truncated };
  } catch (error) {
    if (!(error instanceof SimgptError) || error.code !== 'trainingDiverged') throw error;
    const ids = batch.examples.map(({ id }) => id);
    const found = error.message.replace(/^step \d+: /, '');
    const report = { step: batch.step + 1, found, exampleIds: ids };
    await writeFileAtomic(join(folder.path, divergedFile), `${JSON.stringify(report)}\n`);
    const shown = `${ids.slice(0, 8).join(', ')}${ids.length > 8 ? `, … (${ids.length})` : ''}`;
    const examples = found.includes('(examples ') ? '' : ` (examples ${shown})`;
    throw new SimgptError('trainingDiverged', `step ${batch.step + 1}: ${found}${examples}`, {
      cause: error,
    });
  }
}

function expectFinite(what: string, value: number): void {
  if (Number.isFinite(value)) return;
  throw new SimgptError('trainingDiverged', `expected ${what} to be finite, received ${value}`);
}

// JSON has one zero.
function withoutNegativeZero(parts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, value + 0]));
}

/** Before the first step, every `evaluateEvery` steps, and after the last one (D16). */
async function evaluateIfDue(run: Run): Promise<void> {
  const { options, at } = run;
  const { evaluate, totalSteps, evaluateEvery, evaluateLast = true } = options;
  const last = at.step === totalSteps;
  if (at.finished || at.evaluatedStep === at.step) return;
  if (evaluate === undefined || !(at.step % evaluateEvery === 0 || (last && evaluateLast))) {
    if (!last) return;
    if (at.best === null) await exportSelected(run);
    run.at = { ...at, evaluatedStep: at.step, finished: true };
    return;
  }
  const found = await evaluate(options.model, options.signal).catch(async (error: unknown) => {
    if (options.signal?.aborted) await stop(run);
    throw error;
  });
  const selected = at.step > 0 && (at.best === null || found.score > at.best.score);
  if (selected) await exportSelected(run);
  const line: EvaluationLine = { kind: 'evaluation', step: at.step, ...found, selected };
  await run.log.append({ ...line });
  const withoutGain = selected || at.step === 0 ? 0 : at.withoutGain + 1;
  run.at = {
    step: at.step,
    evaluatedStep: at.step,
    best: selected ? { step: at.step, score: found.score } : at.best,
    withoutGain,
    finished: last || (options.patience !== null && withoutGain >= options.patience),
  };
  options.onEvent?.(line);
}

async function exportSelected(run: Run): Promise<void> {
  const folder = join(run.options.folder.models, stepName(run.at.step));
  // A run that was killed after this and before its next checkpoint does it again.
  await rm(folder, { recursive: true, force: true });
  await run.options.model.exportModel(folder);
}

/** Makes the run's place durable, then removes the models that no kept checkpoint names. */
async function checkpoint(run: Run): Promise<void> {
  const { folder, model } = run.options;
  const { step: done, evaluatedStep } = run.at;
  if (run.saved?.step === done && run.saved.evaluatedStep === evaluatedStep) return;
  const state: RunState = { formatVersion: 1, ...counters(run.at), metrics: await run.log.mark() };
  const kept = await saveCheckpoint(folder.checkpoints, state, model.saveState);
  run.saved = run.at;
  const named = new Set(kept.map(({ step, best }) => stepName(best?.step ?? step)));
  for (const name of await readdir(folder.models)) {
    if (!named.has(name)) await rm(join(folder.models, name), { recursive: true, force: true });
  }
}

function counters({ step, evaluatedStep, best, withoutGain, finished }: Counters): Counters {
  return { step, evaluatedStep, best, withoutGain, finished };
}

async function stop(run: Run): Promise<never> {
  await checkpoint(run);
  const { reason } = run.options.signal ?? {};
  const why = reason instanceof Error ? `: ${reason.message}` : '';
  throw new SimgptError(
    'cancelled',
    `stopped after step ${run.at.step} of ${run.options.totalSteps}${why}; ` +
      'the same command goes on from there',
    { cause: reason },
  );
}

/** The selected model takes its name. Repeated after a kill, it finds its work done. */
async function publish({ at, options: { folder } }: Run): Promise<LoopOutcome['selected']> {
  const selected = at.best ?? { step: at.step, score: null };
  if (!existsSync(folder.model)) {
    await rename(join(folder.models, stepName(selected.step)), folder.model);
    await syncFolder(folder.path);
  }
  for (const name of await readdir(folder.models)) {
    await rm(join(folder.models, name), { recursive: true, force: true });
  }
  return selected;
}

async function recordTime(
  { options: { folder, onEvent }, at: { step } }: Run,
  batch: TrainingBatch,
  elapsedMs: number,
): Promise<void> {
  const texts = batch.examples.reduce(
    (sum, { hardNegatives }) => sum + 2 + hardNegatives.length,
    0,
  );
  const textsPerSecond = texts / (elapsedMs / 1000);
  const memoryBytes = process.memoryUsage.rss();
  await appendLine(folder.timings, { step, elapsedMs, texts, textsPerSecond, memoryBytes });
  onEvent?.({ kind: 'timing', step, textsPerSecond });
}

function withLastCheckpoint(error: unknown, { saved, options: { folder } }: Run): unknown {
  const failure = isSystemError(error) ? writeFailure(error.path ?? folder.path, error) : error;
  const named = ['ioFailed', 'trainingDiverged'];
  if (!(failure instanceof SimgptError) || !named.includes(failure.code)) return error;
  const last = saved === null ? 'there is no checkpoint yet' : `step ${saved.step} is saved`;
  return new SimgptError(failure.code, `${failure.message}; ${last}`, { cause: error });
}
