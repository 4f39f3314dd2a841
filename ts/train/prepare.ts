import { basename } from 'node:path';

import { createBatches } from '../dataset/batches.js';
import type { Batches } from '../dataset/batches.js';
import type { Checkpoint } from '../encoder/checkpoint.js';
import { fingerprintFile } from '../dataset/input.js';
import { resolveModel } from '../encoder/hub.js';
import { loadStsData } from '../evaluate/sts_data.js';
import type { StsData } from '../evaluate/sts_data.js';
import { withoutUndefined } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import { readDevSets } from './dev_sets.js';
import type { DevSet } from './dev_sets.js';
import { openOverlapScan } from './overlap_scan.js';
import type { RunOverlap } from './overlap_scan.js';
import { loadRecipe, resolveRecipe } from './recipe.js';
import type { ResolvedRecipe } from './recipe.js';
import type { RowName, Settings, SettingsInput } from './recipe_schema.js';
import type { RunPlan } from './run_folder.js';
import { namedByFile } from './row_names.js';
import { readModel, readRunModels, runLineage } from './run_models.js';
import type { RunLineage, RunModels } from './run_models.js';
import { learningRateAt } from './schedule.js';
import { readTrainingData } from './training_data.js';
import type { TrainingData, TrainingFile } from './training_data.js';
import { trainingPrecision } from './training_options.js';
import type { TrainingCompute } from './training_options.js';

/** What decides a run's numbers: the same values give the same bytes. */
export interface RunInputs {
  /** A shipped recipe's name, or the path of a `.json` file. */
  readonly recipe: string;
  readonly variant?: string | undefined;
  /** The published row to take instead of the one for the model's type and size. */
  readonly row?: RowName | undefined;
  /** Settings instead of the recipe's. */
  readonly settings?: Partial<SettingsInput> | undefined;
  /** A model folder or hub id. */
  readonly model: string;
  readonly revision?: string | undefined;
  /** A path, or several with their weights and columns. */
  readonly data: string | readonly (string | TrainingFile)[];
  /** Folder of `stsb.tsv` and others, or one file of graded pairs; absent: no selection. */
  readonly dev?: string | undefined;
  /** Folder of the STS sets that the selected model is scored on at the end; never chosen by. */
  readonly test?: string | undefined;
  readonly maxSteps?: number | undefined;
  readonly dedupe?: boolean | undefined;
  /**
   * Leave rows out that share a text with a set of `dev` or `test`, or a published STS set that lies
   * beside those of `dev`. Default: count them.
   */
  readonly excludeOverlap?: boolean | undefined;
  /** Stop at the first bad row. Default: leave it out, with its reason in a quarantine file. */
  readonly strict?: boolean | undefined;
  /** The encoder that tells false negatives, where the recipe has one. */
  readonly reference?: string | undefined;
  /** Whose vectors a distillation learns. Default: the model that the recipe makes a student of. */
  readonly teacher?: string | undefined;
  /**
   * Most tokens with a graph in memory at once. Default: what 768 MB hold (8 GB on CUDA), a
   * function of batch and model. Another value sums the same gradient in another order: equal to rounding alone.
   */
  readonly chunkTokens?: number | undefined;
  /** Default: our kernels on the CPU, float32. Other back ends round otherwise: other bits. */
  readonly compute?: TrainingCompute | undefined;
}

/** A run's inputs, read and checked. */
export interface Prepared extends RunModels {
  readonly checkpoint: Checkpoint;
  readonly compute: Required<TrainingCompute>;
  readonly lineage: RunLineage;
  readonly recipe: ResolvedRecipe;
  readonly data: TrainingData;
  /** The data's texts in the evaluation sets; null where they were not looked for. */
  readonly overlap: RunOverlap | null;
  readonly dev: readonly DevSet[];
  readonly test: StsData | undefined;
  readonly batchesOf: (seed: number) => Batches;
  /** Throws RangeError where warm-up leaves no step. */
  readonly totalStepsOf: (batches: Batches) => number;
  /** What the runs of all seeds are a function of. */
  readonly plan: RunPlan;
  /** What the run of one seed is a function of. */
  readonly planOf: (seed: number, totalSteps: number) => RunPlan;
}

/**
 * Reads model, recipe, data and evaluation sets. `scansOverlap` looks for the sets' texts in the
 * data, which leaving them out does anyway. Throws what reading throws, RangeError on misuse.
 */
export async function prepareRun(
  inputs: RunInputs,
  options: {
    readonly scansOverlap?: boolean;
    readonly onRecords?: ((records: number) => void) | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<Prepared> {
  const { signal } = options;
  const { maxSteps, chunkTokens, excludeOverlap = false } = inputs;
  for (const [name, value] of Object.entries({ maxSteps, chunkTokens })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new RangeError(`expected ${name} to be an integer > 0, received ${value}`);
  }
  if (typeof inputs.settings?.patience === 'number' && inputs.dev === undefined) {
    throw new RangeError('expected dev sets to be patient with, received patience without dev');
  }
  const compute = computeOf(inputs.compute);
  const recipeFile = await loadRecipe(inputs.recipe);
  const model = await resolveModel(inputs.model, { revision: inputs.revision, signal });
  const stated = inputs.settings?.pooling ?? recipeFile.settings.pooling ?? 'asModel';
  const checkpoint = await readModel(model, stated);
  const recipe = await resolveRecipe(recipeFile, {
    model: checkpoint.config,
    variant: inputs.variant,
    row: inputs.row,
    overrides: inputs.settings,
  });
  const { settings } = recipe;
  const models = await readRunModels(checkpoint, settings, inputs, signal);
  const dev =
    inputs.dev === undefined ? [] : await readDevSets(inputs.dev, settings.selection, signal);
  const test = inputs.test === undefined ? undefined : await readTestSets(inputs.test, signal);
  const scanner =
    excludeOverlap || options.scansOverlap === true
      ? await openOverlapScan(dev, test, signal)
      : undefined;
  if (excludeOverlap && Object.keys(scanner?.compared ?? {}).length === 0) {
    throw new RangeError('expected dev or test sets to exclude the overlap with, received none');
  }
  const files = filesOf(inputs.data);
  const data = await readTrainingData({
    files,
    settings,
    dedupe: inputs.dedupe,
    strict: inputs.strict,
    excludes: (example) => scanner?.check(example) === true && excludeOverlap,
    onRecords: options.onRecords,
    signal,
  });
  const lineage = await runLineage(checkpoint, models, signal);
  const fixed = withoutUndefined({
    formatVersion: 1,
    kind: 'train',
    recipe,
    maxSteps,
    chunkTokens,
    compute: compute.isDefault ? undefined : compute.chosen,
    ...lineage,
    data: {
      files: data.files,
      counts: data.counts,
      dedupe: inputs.dedupe ?? false,
      excludeOverlap,
      comparedWith: excludeOverlap ? scanner?.compared : undefined,
    },
    dev: await Promise.all(dev.map(devFile)),
    test: test?.fingerprint,
  }) as RunPlan;
  return {
    checkpoint,
    compute: compute.chosen,
    ...models,
    lineage,
    recipe,
    data,
    overlap: scanner?.report() ?? null,
    dev,
    test,
    batchesOf: (seed) => {
      const batches = createBatches(data.sources, batchOptions(settings, seed));
      return namedByFile(batches, files, data, settings.data);
    },
    totalStepsOf: (batches) => {
      const all = batches.stepsIn(settings.epochs);
      const totalSteps = Math.min(all, maxSteps ?? all);
      // Before a folder is made and a model opened: a teacher embeds for minutes first.
      learningRateAt(0, { ...settings, totalSteps });
      return totalSteps;
    },
    plan: fixed,
    planOf: (seed, totalSteps) => ({ ...fixed, seed, totalSteps }),
  };
}

function computeOf(options: TrainingCompute = {}) {
  const { device = 'cpu', backend = 'fast' } = options;
  const chosen = { device, backend, precision: trainingPrecision(options) };
  const isDefault = device === 'cpu' && backend === 'fast' && chosen.precision === 'float32';
  return { chosen, isDefault };
}

function batchOptions({ batchSize, distinctTexts, sameTaskBatches }: Settings, seed: number) {
  return { batchSize, seed, distinctTexts, sameTaskBatches };
}

function filesOf(data: RunInputs['data']): readonly TrainingFile[] {
  const list = typeof data === 'string' ? [data] : data;
  if (list.length === 0) throw new RangeError('expected data to name a file, received none');
  return list.map((file) => (typeof file === 'string' ? { path: file } : file));
}

async function readTestSets(folder: string, signal: AbortSignal | undefined): Promise<StsData> {
  const options = { folders: [folder], protocol: 'mteb' } as const;
  return loadStsData(signal === undefined ? options : { ...options, signal });
}

async function devFile({ name, path, gold }: DevSet): Promise<JsonValue> {
  return { name, file: basename(path), pairs: gold.length, ...(await fingerprintFile(path)) };
}
