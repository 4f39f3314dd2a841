import { describeValue } from '../encoder/config_fields.js';
import type { SentenceEncoder } from '../encoder/sentence_encoder.js';
import type { NativeLossInputs } from '../native_training.js';
import { equalTextsChoices, plainLosses } from './loss.js';
import type {
  ExampleBatch,
  ForeignEmbeddings,
  GradientBatch,
  Loss,
  NoisyReference,
} from './loss.js';

/** A batch as the addon takes it. */
export interface FlatBatch {
  readonly examples: number;
  /** Anchors, positives, then the hard negatives of example 0, 1, … */
  readonly texts: readonly string[];
  readonly exampleIds: Int32Array;
  /** What errors call the examples. */
  readonly names: readonly string[];
  readonly inputs: NativeLossInputs;
}

function fromExamples({
  examples,
  exampleIds,
  equalTexts,
}: ExampleBatch): GradientBatch & { names: string[] } {
  const groups = examples.map(({ group }) => group);
  const grades = examples.map(({ positiveScore }) => positiveScore);
  return {
    anchors: examples.map(({ anchor }) => anchor),
    positives: examples.map(({ positive }) => positive),
    hardNegatives: examples.map(({ hardNegatives = [] }) => hardNegatives),
    exampleIds,
    equalTexts,
    groups: groups.some((group) => group !== undefined) ? groups : undefined,
    grades: grades.every((grade) => grade !== undefined) ? grades : undefined,
    teacherScores: ownScores(examples),
    names: examples.map(({ id }, place) => id ?? String(place)),
  };
}

/** Where all are there; one score stands for each hard negative of its row. */
function ownScores(examples: ExampleBatch['examples']): GradientBatch['teacherScores'] {
  const rows: number[][] = [];
  for (const { positiveScore, negativeScore, hardNegatives = [] } of examples) {
    const scores = [positiveScore, ...hardNegatives.map(() => negativeScore)];
    const known = scores.filter((score) => score !== undefined);
    if (known.length < scores.length) return undefined;
    rows.push(known);
  }
  return rows;
}

function requireList(name: string, value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`expected ${name} to be ${what}, received ${describeValue(value)}`);
}

function requireTexts(name: string, value: unknown): void {
  const list = requireList(name, value, 'a list of texts');
  const bad = list.findIndex((text) => typeof text !== 'string');
  if (bad === -1) return;
  throw new TypeError(
    `expected ${name}[${bad}] to be a text, received ${describeValue(list[bad])}`,
  );
}

function requireLength(name: string, list: ArrayLike<unknown> | undefined, examples: number): void {
  if (list === undefined || list.length === examples) return;
  throw new RangeError(`expected ${examples} ${name}, one per example, received ${list.length}`);
}

/** Equal numbers where values are equal; a value without one is equal to none. */
function numbered(values: readonly (string | undefined)[]): Int32Array {
  const seen = new Map<string, number>();
  let next = 0;
  return Int32Array.from(values, (value) => {
    if (value === undefined) return next++;
    const known = seen.get(value) ?? next++;
    seen.set(value, known);
    return known;
  });
}

function numbers(name: string, values: readonly number[]): Float64Array {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad === -1) return Float64Array.from(values);
  throw new RangeError(`expected ${name}[${bad}] to be finite, received ${values[bad]}`);
}

function concatenated(first: Float32Array, second: Float32Array | undefined): Float32Array {
  if (second === undefined) return first;
  const whole = new Float32Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function teacherScoresOf(batch: GradientBatch): Float64Array | undefined {
  const { teacherScores, hardNegatives = [] } = batch;
  if (teacherScores === undefined) return undefined;
  requireLength('teacherScores', teacherScores, batch.anchors.length);
  for (const [i, row] of teacherScores.entries()) {
    requireLength(
      `teacherScores[${i}] (positive, hard negatives)`,
      row,
      1 + (hardNegatives[i]?.length ?? 0),
    );
  }
  return numbers('teacherScores', [
    ...teacherScores.map((row) => row[0]!),
    ...teacherScores.flatMap((row) => row.slice(1)),
  ]);
}

function inputsOf(
  batch: GradientBatch,
  texts: readonly string[],
  owner: Int32Array,
): NativeLossInputs {
  const { anchors, rowWeights, grades, groups, equalTexts = 'exclude' } = batch;
  const examples = anchors.length;
  for (const [name, list] of Object.entries({ rowWeights, grades, groups })) {
    requireLength(name, list, examples);
  }
  const bad = rowWeights?.findIndex((weight) => !(weight > 0)) ?? -1;
  if (bad !== -1)
    throw new RangeError(`expected rowWeights[${bad}] > 0, received ${rowWeights![bad]}`);
  if (!equalTextsChoices.includes(equalTexts)) {
    throw new RangeError(
      `expected equalTexts to be one of ${equalTextsChoices.join(', ')}, received ${equalTexts}`,
    );
  }
  const groupOf = (row: number): string | undefined => {
    const example = row < 2 * examples ? row % examples : owner[row - 2 * examples]!;
    const group = groups?.[example];
    return group === undefined ? undefined : String(group);
  };
  return {
    owner: owner.length > 0 ? owner : undefined,
    textIds:
      equalTexts === 'negatives'
        ? undefined
        : numbered(texts.map((text) => text.trim().toLowerCase())),
    groupIds: groups && numbered(texts.map((_, row) => groupOf(row))),
    rowWeights: rowWeights && numbers('rowWeights', rowWeights),
    grades: grades && numbers('grades', grades),
    teacherScores: teacherScoresOf(batch),
  };
}

function idsOf(ids: GradientBatch['exampleIds'], examples: number): Int32Array {
  if (ids === undefined) return Int32Array.from({ length: examples }, (_, place) => place);
  requireLength('exampleIds', ids, examples);
  return Int32Array.from(ids, (id, place) => {
    if (Number.isInteger(id) && id >= 0 && id < 2 ** 32) return id | 0;
    throw new RangeError(`expected exampleIds[${place}] from 0 to ${2 ** 32 - 1}, received ${id}`);
  });
}

/** Checks a batch and lays its texts out. Throws RangeError naming what does not fit. */
export function flattenBatch(given: GradientBatch | ExampleBatch): FlatBatch {
  const batch = 'examples' in given ? fromExamples(given) : given;
  const { anchors, positives, hardNegatives = [] } = batch;
  requireTexts('anchors', anchors);
  requireTexts('positives', positives);
  requireList('hardNegatives', hardNegatives, 'a list of texts for each example');
  for (const [i, texts] of hardNegatives.entries()) requireTexts(`hardNegatives[${i}]`, texts);
  const examples = anchors.length;
  if (examples === 0) throw new RangeError('expected a batch of at least one example, received 0');
  requireLength('positives', positives, examples);
  if (hardNegatives.length > 0) requireLength('hardNegatives', hardNegatives, examples);
  const owner = Int32Array.from(
    hardNegatives.flatMap((texts, example) => texts.map(() => example)),
  );
  const texts = [...anchors, ...positives, ...hardNegatives.flat()];
  const exampleIds = idsOf(batch.exampleIds, examples);
  const names =
    'names' in batch ? (batch.names as string[]) : Array.from(exampleIds, (id) => String(id >>> 0));
  const inputs = inputsOf(batch, texts, owner);
  const foreign = 'examples' in given ? {} : foreignInputs(given);
  return { examples, texts, exampleIds, names, inputs: { ...inputs, ...foreign } };
}

function foreignInputs({ referenceEmbeddings, teacherEmbeddings }: GradientBatch) {
  const candidates = (of: ForeignEmbeddings | undefined): Float32Array | undefined =>
    of && concatenated(of.positives, of.hardNegatives);
  return {
    referenceAnchors: referenceEmbeddings?.anchors,
    referenceCandidates: candidates(referenceEmbeddings),
    teacherAnchors: teacherEmbeddings?.anchors,
    teacherCandidates: candidates(teacherEmbeddings),
  };
}

function single<Foreign>(name: string, encoders: readonly (Foreign | undefined)[]) {
  const found = new Set(encoders.filter((encoder) => encoder !== undefined));
  if (found.size > 1) throw new RangeError(`expected one ${name} for all losses, received several`);
  return [...found][0];
}

/** Vectors of a batch's texts: anchors, then candidates. Equal texts are embedded once. */
async function foreignRows(encoder: SentenceEncoder, batch: FlatBatch, signal?: AbortSignal) {
  const places = new Map<string, number>();
  for (const text of batch.texts) if (!places.has(text)) places.set(text, places.size);
  const { embeddings, shape } = await encoder.embed([...places.keys()], { signal });
  const width = shape[1];
  const rows = new Float32Array(batch.texts.length * width);
  for (const [row, text] of batch.texts.entries()) {
    const from = places.get(text)! * width;
    rows.set(embeddings.subarray(from, from + width), row * width);
  }
  return splitRows(rows, batch);
}

/** As they are drawn: equal texts in two places have masks of their own. */
async function noisyRows(
  reference: NoisyReference,
  batch: FlatBatch,
  step: number,
  signal?: AbortSignal,
) {
  const { texts, examples, exampleIds } = batch;
  const { owner } = batch.inputs;
  const asked = { texts, examples, exampleIds, owner, step };
  return splitRows(await reference.embedExamples(asked, signal), batch);
}

function splitRows(rows: Float32Array, { examples, texts }: FlatBatch) {
  const cut = (rows.length / texts.length) * examples;
  return { anchors: rows.slice(0, cut), candidates: rows.slice(cut) };
}

/**
 * The batch with the vectors of the encoders that its losses ask. `stepNow`: what a reference's
 * dropout draws by.
 */
export async function askForeignEncoders(
  batch: FlatBatch,
  losses: readonly Loss[],
  stepNow: () => Promise<number>,
  signal?: AbortSignal,
): Promise<NativeLossInputs> {
  const all = plainLosses(losses);
  const reference = single(
    'reference encoder',
    all.map((loss) => {
      if (loss.kind === 'infoNce') return loss.excludeFalseNegatives?.reference;
      return loss.kind === 'multiCsr' ? loss.reference : undefined;
    }),
  );
  const teacher = single(
    'teacher',
    all.map((loss) => (loss.kind === 'distillation' ? loss.teacher : undefined)),
  );
  let { inputs } = batch;
  if (reference !== undefined) {
    const { anchors, candidates } =
      'embedExamples' in reference
        ? await noisyRows(reference, batch, await stepNow(), signal)
        : await foreignRows(reference, batch, signal);
    inputs = { ...inputs, referenceAnchors: anchors, referenceCandidates: candidates };
  }
  if (teacher !== undefined) {
    const { anchors, candidates } = await foreignRows(teacher, batch, signal);
    inputs = { ...inputs, teacherAnchors: anchors, teacherCandidates: candidates };
  }
  return inputs;
}
