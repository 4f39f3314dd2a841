import { ownFileName, readCheckpoint } from '../encoder/checkpoint.js';
import type { Checkpoint } from '../encoder/checkpoint.js';
import { findInFolder } from '../encoder/folder.js';
import { resolveModel } from '../encoder/hub.js';
import type { ResolvedModel } from '../encoder/hub.js';
import { plainLosses } from './loss.js';
import { lineageOf } from './model_lineage.js';
import type { ModelLineage } from './model_lineage.js';
import type { Settings } from './recipe_schema.js';

/** A plain folder says nothing about pooling: then it is what the recipe says, else `cls`. */
export async function readModel(
  { dir, id, revision }: ResolvedModel,
  stated: Settings['pooling'],
): Promise<Checkpoint> {
  const plain = (await findInFolder(dir, 'modules.json')) === undefined;
  const pooling = stated === 'asModel' ? (plain ? 'cls' : undefined) : stated;
  return readCheckpoint(dir, { id, revision, pooling });
}

/** The models beside the one that is trained. */
export interface RunModels {
  /** The encoder that tells false negatives, where a loss asks one. */
  readonly reference: Checkpoint | undefined;
  /** The encoder whose vectors are learned, where a loss asks one. */
  readonly teacher: Checkpoint | undefined;
}

/** Where the numbers of all models come from. */
export interface RunLineage {
  readonly model: ModelLineage;
  readonly reference?: ModelLineage | undefined;
  /** Only where it was named: it is the model otherwise. */
  readonly teacher?: ModelLineage | undefined;
}

/** Reads what the losses ask for. Throws RangeError for a model that none asks for, or that lacks. */
export async function readRunModels(
  model: Checkpoint,
  settings: Settings,
  named: { readonly reference?: string | undefined; readonly teacher?: string | undefined },
  signal: AbortSignal | undefined,
): Promise<RunModels> {
  const reference = await readReference(named.reference, settings, signal);
  const teacher = await readTeacher(named.teacher, settings, model, signal);
  return { reference, teacher };
}

/** Reads every file of the models, as long as that takes. */
export async function runLineage(
  model: Checkpoint,
  { reference, teacher }: RunModels,
  signal: AbortSignal | undefined,
): Promise<RunLineage> {
  return {
    model: await lineageOf(model, signal),
    reference: reference && (await lineageOf(reference, signal)),
    teacher: teacher === model ? undefined : teacher && (await lineageOf(teacher, signal)),
  };
}

/** METHODS 1.4: `cls` without a head, unless its folder says otherwise. */
async function readReference(
  path: string | undefined,
  { reference, losses }: Settings,
  signal: AbortSignal | undefined,
): Promise<Checkpoint | undefined> {
  const asks = plainLosses(losses).some(
    (loss) => loss.kind === 'infoNce' && loss.excludeFalseNegatives !== undefined,
  );
  if (reference === null && !asks) {
    if (path === undefined) return undefined;
    throw new RangeError(`expected no reference for this recipe, received ${path}`);
  }
  if (path === undefined) {
    throw new RangeError(
      'expected a reference encoder (--reference), such as unsupervised SimCSE of the same ' +
        'backbone, received none',
    );
  }
  return readModel(await resolveModel(path, { signal }), 'asModel');
}

/**
 * Whose vectors a distillation learns: the one that is named, else the model that the student is
 * made of. Throws RangeError where no loss asks for a teacher, or none is there.
 */
async function readTeacher(
  path: string | undefined,
  { losses, teacher: student }: Settings,
  model: Checkpoint,
  signal: AbortSignal | undefined,
): Promise<Checkpoint | undefined> {
  const targets = plainLosses(losses).flatMap((loss) =>
    loss.kind === 'distillation' ? (loss.target ?? 'vectors') : [],
  );
  if (targets.every((target) => target === 'scores')) {
    if (path === undefined) return undefined;
    throw new RangeError(
      'expected no teacher where no loss asks for its vectors (distillation of vectors or ' +
        `similarities), received ${path}`,
    );
  }
  if (path === undefined) {
    if (student !== null) return model;
    throw new RangeError(
      'expected a teacher (--teacher) for the distillation, or the setting teacher, which makes a ' +
        'student of the model, received neither',
    );
  }
  const found = await resolveModel(path, { signal });
  await expectStatedPooling(found);
  const { dir, ...origin } = found;
  const teacher = await readCheckpoint(dir, origin);
  const [here, there] = [widthOf(model), widthOf(teacher)];
  if (here === there || !targets.includes('vectors')) return teacher;
  throw new RangeError(
    `expected a teacher of ${here} dimensions, as the model has, for a distillation of vectors ` +
      `(that of similarities takes any), received ${there}`,
  );
}

async function expectStatedPooling({ dir }: ResolvedModel): Promise<void> {
  const places = ['modules.json', ownFileName].map((name) => findInFolder(dir, name));
  if ((await Promise.all(places)).some((found) => found !== undefined)) return;
  throw new RangeError(
    `expected a teacher that states its pooling in modules.json or simgpt.json, received ${dir}`,
  );
}

function widthOf({ dense, config, pooling }: Checkpoint): number {
  return dense.at(-1)?.outFeatures ?? config.hiddenSize * pooling.length;
}
