import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { Checkpoint } from '../encoder/checkpoint.js';
import { describeValue } from '../encoder/config_fields.js';
import { writeFileAtomic } from '../files/atomic.js';
import { canonicalJson, withoutUndefined } from '../files/canonical_json.js';
import { readJsonFile, readJsonFileIfPresent } from '../files/json.js';
import { createQuarantine } from '../files/quarantine.js';
import { evaluateOn } from './dev_sets.js';
import { finishRun } from './finish.js';
import { runLoop } from './loop.js';
import type { LoopOutcome, TrainEvent } from './loop.js';
import type { OpenModel, TeacherProgress } from './trainable.js';
import type { RunOverlap } from './overlap_scan.js';
import { prepareRun } from './prepare.js';
import type { Prepared, RunInputs } from './prepare.js';
import type { ScoringProgress } from './run_evaluation.js';
import { openRunFolder, openSeedsFolder } from './run_folder.js';
import type { RunFolder } from './run_folder.js';
import { summarizeSeeds } from './seeds.js';
import type { SeedSummary } from './seeds.js';
import { seedsReport } from './seeds_page.js';
import { makeStudent } from './student.js';
import type { DataCounts, TrainingData } from './training_data.js';

/** What {@link train} is told beside a run's inputs. */
export interface TrainOptions extends RunInputs {
  /** The run folder: new, empty, or of an earlier start of the same run. */
  readonly output: string;
  /** Steps between checkpoints. Default: as often as the recipe evaluates. */
  readonly checkpointEvery?: number | undefined;
  /** Processors to use; default `SIMGPT_THREADS`, else all allowed ones. */
  readonly threads?: number | undefined;
  /** Stops after the step in hand, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

export type RunEvent =
  | TrainEvent
  | {
      readonly kind: 'run';
      readonly seed: number;
      readonly totalSteps: number;
      readonly stepsPerEpoch: number;
      readonly folder: string;
    }
  /** Every 10,000 records that are read. */
  | { readonly kind: 'reading'; readonly records: number }
  | ({ readonly kind: 'data' } & DataCounts)
  | { readonly kind: 'overlap'; readonly report: RunOverlap }
  | ({ readonly kind: 'teacher' } & TeacherProgress)
  /** Of the test sets, after training. */
  | ({ readonly kind: 'scoring' } & ScoringProgress)
  | { readonly kind: 'alreadyDone'; readonly seed: number; readonly folder: string };

/** How the run of one seed ended: `done.json`. */
export interface RunResult extends LoopOutcome {
  readonly seed: number;
  /** Mean Spearman of the selected model on the test sets, in [-1, 1]; null where none were given. */
  readonly testScore: number | null;
  /** Texts that were cut to the tokens of training, counted in each step. */
  readonly truncated: number;
  readonly folder: string;
}

export interface TrainResult {
  readonly output: string;
  readonly recipe: string;
  readonly runs: readonly RunResult[];
  /** Over the seeds, where there are several. */
  readonly summary: SeedSummary | null;
  readonly data: DataCounts;
}

/**
 * Trains a model by a recipe into a run folder: resolved recipe, metrics, checkpoints, the selected
 * model in `model/`. Called again with the same inputs it goes on where it was stopped, to the same
 * bytes; a finished run is left as it is. Throws RangeError on misuse, SimgptError `outputExists`
 * where the folder is of another run, `cancelled` after an abort, `trainingDiverged`, `ioFailed`.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  checkOptions(options);
  const { openNativeModel } = await import('./native_model.js');
  return trainWith(openNativeModel, options);
}

// In the order in which they are told.
const optionNames = Object.keys({
  recipe: true,
  model: true,
  data: true,
  output: true,
  dev: true,
  test: true,
  settings: true,
  variant: true,
  row: true,
  revision: true,
  maxSteps: true,
  dedupe: true,
  excludeOverlap: true,
  strict: true,
  reference: true,
  teacher: true,
  chunkTokens: true,
  compute: true,
  checkpointEvery: true,
  threads: true,
  signal: true,
  onEvent: true,
} satisfies Record<keyof TrainOptions, true>);

/** What types say, for JavaScript: a misspelt option would be a run of other values. */
function checkOptions(options: TrainOptions): void {
  const other = Object.keys(options).find((name) => !optionNames.includes(name));
  if (other !== undefined) {
    throw new TypeError(
      `expected options of train out of ${optionNames.join(', ')}, received ${other}; values of ` +
        'the recipe stand in settings',
    );
  }
  for (const name of ['recipe', 'model', 'output'] as const) {
    const value: unknown = options[name];
    if (typeof value === 'string' && value !== '') continue;
    throw new TypeError(`expected ${name} to be a text, received ${describeValue(value)}`);
  }
  const { data } = options;
  if (typeof data === 'string' || Array.isArray(data)) return;
  throw new TypeError(`expected data to be a path or a list, received ${describeValue(data)}`);
}

/** {@link train} with another way to open a model. */
export async function trainWith(openModel: OpenModel, options: TrainOptions): Promise<TrainResult> {
  const scansOverlap = !existsSync(join(options.output, overlapFile));
  const onRecords = (records: number) => options.onEvent?.({ kind: 'reading', records });
  const prepared = await prepareRun(options, { scansOverlap, onRecords, signal: options.signal });
  const { overlap } = prepared;
  const { seeds } = prepared.recipe.settings;
  options.onEvent?.({ kind: 'data', ...prepared.data.counts });
  if (overlap !== null) options.onEvent?.({ kind: 'overlap', report: overlap });
  const several = seeds.length > 1;
  // What is found in the data lies beside the seeds' folders: of this plan, not of another's.
  await using _shared = several ? await openSeedsFolder(options.output, prepared.plan) : undefined;
  const pathOf = (seed: number): string =>
    several ? join(options.output, `seed-${seed}`) : options.output;
  const wasDone =
    existsSync(join(options.output, 'report.html')) &&
    seeds.every((seed) => existsSync(join(pathOf(seed), doneFile)));
  const runs: RunResult[] = [];
  for (const seed of seeds) {
    runs.push(await trainSeed(openModel, options, prepared, seed, pathOf(seed)));
  }
  const summary = several ? summarizeSeeds(runs) : null;
  if (summary !== null && !wasDone) {
    const text = `${canonicalJson(withoutUndefined(summary))}\n`;
    await writeFileAtomic(join(options.output, 'seeds.json'), text);
    const page = await seedsReport(prepared, runs, summary);
    await writeFileAtomic(join(options.output, 'report.html'), page);
  }
  const { recipe, data } = prepared;
  return { output: options.output, recipe: recipe.name, runs, summary, data: data.counts };
}

const doneFile = 'done.json';
const overlapFile = 'overlap.json';

async function trainSeed(
  openModel: OpenModel,
  options: TrainOptions,
  prepared: Prepared,
  seed: number,
  path: string,
): Promise<RunResult> {
  const batches = prepared.batchesOf(seed);
  const totalSteps = prepared.totalStepsOf(batches);
  await using folder = await openRunFolder(path, prepared.planOf(seed, totalSteps));
  await writeFindings(prepared, options.output);
  const done = join(path, doneFile);
  if (existsSync(done)) {
    options.onEvent?.({ kind: 'alreadyDone', seed, folder: path });
    const { fields } = await readJsonFile(done);
    return { ...(fields as unknown as Omit<RunResult, 'folder'>), folder: path };
  }
  const { stepsPerEpoch } = batches;
  options.onEvent?.({ kind: 'run', seed, totalSteps, stepsPerEpoch, folder: path });
  const outcome = await loopOver(openModel, options, prepared, {
    seed,
    folder,
    batches,
    totalSteps,
  });
  const { threads, signal } = options;
  const onScoring = (progress: ScoringProgress) =>
    options.onEvent?.({ kind: 'scoring', ...progress });
  const found = prepared.overlap ?? (await readOverlap(options.output));
  const overlap = found?.sets.length === 0 ? null : found;
  const finishing = { folder, prepared, overlap, seed, outcome, threads, signal, onScoring };
  const { evaluation, truncated } = await finishRun(finishing);
  const testScore = evaluation.test === null ? null : evaluation.test.average / 100;
  const result = { ...outcome, seed, testScore, truncated };
  await writeFileAtomic(done, `${canonicalJson(withoutUndefined(result))}\n`);
  return { ...result, folder: path };
}

function* textsOf({ sources }: TrainingData): Generator<readonly string[]> {
  for (const { examples } of sources) {
    for (const { anchor, positive, hardNegatives } of examples) {
      yield [anchor, positive, ...hardNegatives];
    }
  }
}

/** The model that is trained: the given one, or the student that the recipe makes of it. */
async function startOf(
  { checkpoint, recipe, data }: Prepared,
  folder: RunFolder,
  signal: AbortSignal | undefined,
): Promise<Checkpoint> {
  const { teacher } = recipe.settings;
  if (teacher === null) return checkpoint;
  const texts = () => textsOf(data);
  const made = { teacher: checkpoint, settings: teacher, texts, signal };
  return makeStudent(join(folder.path, 'student'), made);
}

/** What an earlier start of the run found. */
async function readOverlap(output: string): Promise<RunOverlap | null> {
  const file = await readJsonFileIfPresent(join(output, overlapFile));
  return file === undefined ? null : (file.fields as unknown as RunOverlap);
}

/** What was found in the data before the first step. */
async function writeFindings({ data, overlap }: Prepared, output: string): Promise<void> {
  const quarantine = createQuarantine(join(output, 'data.quarantine.jsonl'));
  for (const row of data.badRows) await quarantine.add(row);
  await quarantine.commit();
  if (overlap !== null) {
    await writeFileAtomic(join(output, overlapFile), `${JSON.stringify(overlap)}\n`);
  }
}

interface SeedWork {
  readonly seed: number;
  readonly folder: RunFolder;
  readonly batches: ReturnType<Prepared['batchesOf']>;
  readonly totalSteps: number;
}

async function loopOver(
  openModel: OpenModel,
  options: TrainOptions,
  prepared: Prepared,
  { seed, folder, batches, totalSteps }: SeedWork,
): Promise<LoopOutcome> {
  const { settings } = prepared.recipe;
  await using model = await openModel({
    checkpoint: await startOf(prepared, folder, options.signal),
    compute: prepared.compute,
    settings,
    seed,
    threads: options.threads,
    chunkTokens: options.chunkTokens,
    texts: () => textsOf(prepared.data),
    reference: prepared.reference,
    teacher: prepared.teacher,
    onTeacher: (progress) => options.onEvent?.({ kind: 'teacher', ...progress }),
    signal: options.signal,
  });
  return await runLoop({
    folder,
    model,
    batches,
    evaluate: prepared.dev.length === 0 ? undefined : evaluateOn(prepared.dev),
    totalSteps,
    learningRate: settings.learningRate,
    schedule: settings.schedule,
    maxGradNorm: settings.maxGradNorm,
    evaluateEvery: settings.evaluateEvery,
    evaluateLast: settings.evaluateLast,
    checkpointEvery: options.checkpointEvery ?? settings.evaluateEvery,
    patience: settings.patience,
    signal: options.signal,
    onEvent: options.onEvent,
  });
}
