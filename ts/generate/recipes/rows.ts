import type { Example } from '../example.js';
import { exampleDrop } from '../parse.js';
import type { DropReason, ExampleTexts } from '../parse.js';
import type { CallAnswer, IntermediateRow, PlannedCall, Unit, Verdict } from '../recipe.js';

export type Answers = ReadonlyMap<string, CallAnswer>;

/** What a row says beside its texts and where they come from. */
export type RowFields = Partial<
  Pick<Example, 'positiveScore' | 'negativeScore' | 'instruction' | 'task' | 'group'>
>;

/** A row of three texts and its provenance, or the drop that they are. */
export function exampleVerdict(
  unit: Unit,
  texts: ExampleTexts,
  provenance: Example['provenance'],
  fields: RowFields = {},
): Verdict<Example> {
  const drop = exampleDrop(texts);
  return drop === undefined
    ? { kind: 'rows', rows: [exampleRow(unit, texts, provenance, fields)] }
    : { kind: 'drop', drop };
}

/** The row, whatever its texts: a pair that is only labelled may hold the same text twice. */
export function exampleRow(
  unit: Unit,
  texts: ExampleTexts,
  provenance: Example['provenance'],
  fields: RowFields = {},
): Example {
  return {
    id: unit.id,
    anchor: texts.anchor,
    positive: texts.positive ?? '',
    hardNegatives: [...texts.hardNegatives],
    ...fields,
    ...(unit.source === undefined ? {} : { source: unit.source }),
    provenance: [...carriedProvenance(unit), ...provenance],
  };
}

/** The texts of one example that several answers wrote parts of. */
export function joinTexts(answers: readonly CallAnswer[]): ExampleTexts {
  const parts = answers.flatMap(({ parsed }) => (parsed.example === null ? [] : [parsed.example]));
  const positive = parts.find((part) => part.positive !== undefined)?.positive;
  return {
    anchor: parts[0]?.anchor ?? '',
    ...(positive === undefined ? {} : { positive }),
    hardNegatives: parts.flatMap(({ hardNegatives }) => hardNegatives),
  };
}

/** The calls that have no answer yet as a verdict, or undefined where all have one. */
export function missingCalls(
  calls: readonly PlannedCall[],
  answers: Answers,
): Extract<Verdict<never>, { kind: 'calls' }> | undefined {
  const missing = calls.filter(({ name }) => !answers.has(name));
  return missing.length === 0 ? undefined : { kind: 'calls', calls: missing };
}

/** The answer of a call; `next` is only asked again once every call has one. */
export function answerOf(answers: Answers, call: string): CallAnswer {
  const answer = answers.get(call);
  if (answer === undefined) throw new RangeError(`expected an answer of ${call}, found none`);
  return answer;
}

export function dropVerdict(
  reason: DropReason,
  detail: string,
  call?: string,
): Extract<Verdict<never>, { kind: 'drop' }> {
  return {
    kind: 'drop',
    drop: { reason, detail, ...(call === undefined ? {} : { call }) },
  };
}

/** The unit of an input row: its fields are its inputs, its source is its own. */
export function unitOfRow({ id, fields }: IntermediateRow): Unit {
  const { source, ...inputs } = fields;
  return { id, inputs, ...(source === undefined ? {} : { source }) };
}

/** One unit per row, in order. */
export async function* unitPerRow(rows: AsyncIterable<IntermediateRow>): AsyncGenerator<Unit> {
  for await (const row of rows) yield unitOfRow(row);
}

/** What a row of a stage before the last one says of the calls that wrote it. */
export function provenanceField(answers: readonly CallAnswer[]): { readonly provenance: string } {
  return { provenance: JSON.stringify(answers.map(({ provenance }) => provenance)) };
}

function carriedProvenance({ inputs }: Unit): Example['provenance'] {
  const { provenance } = inputs;
  return provenance === undefined ? [] : (JSON.parse(provenance) as Example['provenance']);
}

/** The text of an input, by the name the unit has it under. Throws RangeError where it has none. */
export function inputOf(unit: Unit, name: string): string {
  const value = unit.inputs[name];
  if (value === undefined) {
    throw new RangeError(`expected an input ${name} of unit ${unit.id}, found none`);
  }
  return value;
}
