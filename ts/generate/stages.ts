// The stages of a recipe in order: bought first, written afterwards.
import { join } from 'node:path';

import { SimgptError } from '../errors.js';
import { createDigestSet } from '../files/digest_map.js';
import { createHashedFile } from '../files/hashed_file.js';
import {
  dataName,
  quarantineName,
  writeDrop,
  writeExampleRows,
  writeIntermediate,
} from './artefact.js';
import type { Drops, RowFilter, StageResult, StageWork } from './artefact.js';
import type { Buyer } from './buy.js';
import { createTraffic, eachUnit } from './buy_units.js';
import type { UnitsDone } from './buy_units.js';
import type { Dispatcher } from './dispatch.js';
import type { Halt } from './halt.js';
import { readIntermediate } from './input_rows.js';
import type { BadInputRow, GenerationInput } from './input_rows.js';
import { prepareCall } from './planned_request.js';
import type { PreparedCall, RequestSettings } from './planned_request.js';
import type { IntermediateRow, PlannedCall, Recipe, RecipeStage, Unit } from './recipe.js';
import type { RunFolder } from './run_folder.js';
import type { Commit, GenerationPlan, WrittenFile } from './run_records.js';
import type { StoredCalls } from './stored_call.js';
import { walkUnit } from './walk_unit.js';

/** What the units of a run are made of. */
export interface StageSource {
  readonly recipe: Recipe;
  /** Absent for a recipe that takes none. */
  readonly input?: GenerationInput | undefined;
  readonly plan: GenerationPlan;
}

export interface StageOptions extends StageSource {
  readonly filters?: () => readonly RowFilter[];
  /** The most rows that one source may have, as a share of all, in (0, 1]. */
  readonly maxSourceShare?: number | undefined;
  /** Files that are made of the rows, beside them. */
  readonly otherFiles?: (folder: string) => Promise<readonly WrittenFile[]>;
  /** Stop at the first unit that gives no row. */
  readonly strict?: boolean;
  readonly onProgress?: (stage: string, done: number, units: number) => void;
}

/** A run whose folder is open and whose calls can be bought. */
export interface Scene {
  readonly run: RunFolder;
  readonly options: StageOptions;
  readonly stored: StoredCalls;
  readonly halt: Halt;
  readonly dispatcher: Dispatcher;
  readonly buyer: Buyer;
}

/** Buys the calls of every stage, and writes each stage's rows before the next one starts. */
export async function buyStages(scene: Scene): Promise<UnitsDone> {
  const { recipe } = scene.options;
  for (const index of recipe.before.keys()) {
    const bought = await buyStage(scene, recipe.before[index]!, index);
    if (scene.halt.stop !== undefined) return bought;
    // Written again with the artefact; here, because the next stage is made of it.
    const drops = await openDrops(scene.run.path);
    try {
      await writeIntermediate(
        scene.run.path,
        stageWork(scene, recipe.before[index]!, index, drops),
      );
    } finally {
      await drops.file.abort();
    }
  }
  return buyStage(scene, recipe.last, recipe.before.length);
}

async function buyStage<Row>(
  scene: Scene,
  stage: RecipeStage<Row>,
  index: number,
): Promise<UnitsDone> {
  const { options, halt, dispatcher, buyer } = scene;
  const total = await countUnits(scene, stage, index);
  let done = 0;
  return eachUnit(
    unitsOf(scene, stage, index),
    dispatcher.inFlight,
    halt,
    createTraffic(dispatcher),
    async (unit, traffic) => {
      const walked = await walkUnit(stage, unit, preparer(scene, stage, unit), (call) =>
        buyer(call, traffic),
      );
      if (options.strict === true && walked?.verdict.kind === 'drop') {
        const { reason, detail } = walked.verdict.drop;
        throw new SimgptError('dataInvalid', `unit ${unit.id}: ${reason}: ${detail}`);
      }
      done += 1;
      options.onProgress?.(stage.name, done, total);
    },
  );
}

/** Before anything is paid for: how many units there are, and that no id is there twice. */
async function countUnits<Row>(
  scene: Scene,
  stage: RecipeStage<Row>,
  index: number,
): Promise<number> {
  const ids = createDigestSet();
  const onBad = (bad: BadInputRow): void => {
    if (scene.options.strict === true) throw new SimgptError('dataInvalid', bad.sentence);
  };
  for await (const { id } of unitsOf(scene, stage, index, onBad)) {
    if (!ids.add(id)) {
      throw new SimgptError('dataInvalid', `expected each id once, received "${id}" twice`);
    }
  }
  return ids.size;
}

/**
 * The units of a stage: from the input, or from the rows of the stage before. Without an input the
 * limit is on what is written in the end.
 */
export async function* stageUnits<Row>(
  { recipe, input, plan: { limit } }: StageSource,
  stage: RecipeStage<Row>,
  index: number,
  rowsBefore: AsyncIterable<IntermediateRow> | undefined,
  onBad: OnBad = () => {},
): AsyncGenerator<Unit> {
  const rows = rowsBefore ?? input?.rows(limit, onBad) ?? none();
  const most = input === undefined && index === recipe.before.length ? limit : null;
  let count = 0;
  for await (const unit of stage.units(rows)) {
    if (most !== null && count >= most) return;
    count += 1;
    yield unit;
  }
}

type OnBad = (bad: BadInputRow) => void | Promise<void>;

async function* none(): AsyncGenerator<never> {}

function unitsOf<Row>(
  { options, run }: Pick<Scene, 'options' | 'run'>,
  stage: RecipeStage<Row>,
  index: number,
  onBad?: OnBad,
): AsyncGenerator<Unit> {
  const before = options.recipe.before[index - 1];
  const path = before === undefined ? undefined : join(run.path, `${before.name}.jsonl`);
  const rows = path === undefined ? undefined : readIntermediate(path);
  return stageUnits(options, stage, index, rows, onBad);
}

function preparer(
  { options }: Pick<Scene, 'options'>,
  stage: { readonly name: string },
  unit: Unit,
): (planned: PlannedCall) => PreparedCall {
  const settings = requestSettings(options.plan);
  return (planned) => prepareCall(planned, stage.name, unit, settings);
}

export function requestSettings({ model, seed, slotWeights }: GenerationPlan): RequestSettings {
  return { model, seed, slotWeights: slotWeights ?? undefined };
}

function stageWork<Row>(
  scene: Scene,
  stage: RecipeStage<Row>,
  index: number,
  drops: Drops,
): StageWork<Row> {
  const onBad = async (bad: BadInputRow): Promise<void> => {
    const { file, line, field, problem: detail } = bad;
    await writeDrop(drops, { reason: 'input', file, line, field, detail });
  };
  return {
    stage,
    units: () => unitsOf(scene, stage, index, onBad),
    quietUnits: () => unitsOf(scene, stage, index),
    prepare: (unit) => preparer(scene, stage, unit),
    stored: scene.stored,
    drops,
  };
}

async function openDrops(folder: string): Promise<Drops> {
  return { file: await createHashedFile(join(folder, quarantineName)), byReason: new Map() };
}

/** Every file as a function of plan, answers and failures, then the record that says so. */
export async function writeArtefact(scene: Scene, plan: string): Promise<Commit> {
  const { run, options } = scene;
  const {
    recipe,
    filters = () => [],
    maxSourceShare,
    otherFiles = async () => [],
    input,
  } = options;
  await input?.expectUnchanged();
  const drops = await openDrops(run.path);
  const results: StageResult[] = [];
  try {
    for (const [index, stage] of recipe.before.entries()) {
      results.push(await writeIntermediate(run.path, stageWork(scene, stage, index, drops)));
    }
    const last = stageWork(scene, recipe.last, recipe.before.length, drops);
    results.push(await writeExampleRows(run.path, last, { filters, maxSourceShare }));
    await input?.expectUnchanged();
  } catch (error) {
    await drops.file.abort();
    throw error;
  }
  const quarantine = await drops.file.commit();
  const others = await otherFiles(run.path);
  const commit: Commit = {
    kind: 'commit',
    plan,
    files: [...results.map(({ file }) => file), quarantine, ...others],
    units: results.at(-1)!.units,
    lastStage: recipe.last.name,
    quarantined: Object.fromEntries(drops.byReason),
  };
  await run.record(commit);
  return commit;
}

/** The rows of a committed run. */
export function rowsOf(commit: Commit): number {
  return commit.files.find(({ name }) => name === dataName)?.rows ?? 0;
}
