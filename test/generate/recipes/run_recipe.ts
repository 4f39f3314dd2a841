import type { Example } from '#dist/generate/example.js';
import { parseAnswer } from '#dist/generate/parse.js';
import type { Drop } from '#dist/generate/parse.js';
import type {
  CallAnswer,
  IntermediateRow,
  PlannedCall,
  Recipe,
  Stage,
  Unit,
  UnitDrop,
} from '#dist/generate/recipe.js';
import { loadRefusals } from '#dist/generate/refusals.js';
import { renderCall } from '#dist/generate/slots.js';

/** What a call is answered; throws to say that it should not have been made. */
export type Script = (call: PlannedCall, unit: Unit, slots: ReadonlyMap<string, string>) => string;

export interface Made {
  readonly rows: readonly Example[];
  /** By unit id. */
  readonly drops: readonly (UnitDrop & { readonly id: string })[];
  /** The rows of the stages before the last one, by stage. */
  readonly before: ReadonlyMap<string, readonly IntermediateRow[]>;
  /** `unit/call`, in the order in which they were made. */
  readonly calls: readonly string[];
}

export interface RunOptions {
  readonly seed?: number;
  /** Takes the units of each stage in another order. */
  readonly order?: (units: readonly Unit[]) => readonly Unit[];
}

/** Runs a recipe in memory with answers by script, each asked for once. */
export async function runRecipe(
  recipe: Recipe,
  input: readonly IntermediateRow[],
  script: Script,
  { seed = 7, order = (units) => units }: RunOptions = {},
): Promise<Made> {
  const refusals = await loadRefusals();
  const drops: (UnitDrop & { id: string })[] = [];
  const calls: string[] = [];
  const before = new Map<string, readonly IntermediateRow[]>();

  const answer = (call: PlannedCall, unit: Unit): CallAnswer | Drop => {
    calls.push(`${unit.id}/${call.name}`);
    const { template } = call;
    const key = { seed, exampleId: `${unit.id}/${call.name}` };
    const weights = recipe.slotWeights;
    const { slots } = renderCall(template, call.inputs, {
      ...key,
      ...(weights === undefined ? {} : { slotWeights: weights }),
    });
    const text = script(call, unit, slots);
    const parsed = parseAnswer(template, slots, { text, finishReason: 'stop' }, { refusals });
    if ('reason' in parsed) return parsed;
    const { id, version, hash } = template;
    const provenance = {
      template: { id, version, hash },
      model: 'script',
      decoding: {},
      seed,
      sourceId: unit.id,
    };
    return { parsed, slots, provenance };
  };

  const runUnit = <Row>(stage: Stage<Row>, unit: Unit): readonly Row[] => {
    const answers = new Map<string, CallAnswer>();
    for (;;) {
      const verdict = stage.next(unit, answers);
      if (verdict.kind === 'drop') {
        drops.push({ ...verdict.drop, id: unit.id });
        return [];
      }
      if (verdict.kind === 'rows') {
        drops.push(...(verdict.drops ?? []).map((drop) => ({ ...drop, id: unit.id })));
        return verdict.rows;
      }
      for (const call of verdict.calls) {
        const found = answer(call, unit);
        if ('reason' in found) {
          drops.push({ ...found, call: call.name, id: unit.id });
          return [];
        }
        answers.set(call.name, found);
      }
    }
  };

  let rows: readonly IntermediateRow[] = input;
  for (const stage of recipe.before) {
    const units = await collect(stage.units(streamOf(rows)));
    rows = inOrder(units, order, (unit) => runUnit(stage, unit));
    before.set(stage.name, rows);
  }
  const units = await collect(recipe.last.units(streamOf(rows)));
  const last = inOrder(units, order, (unit) => runUnit(recipe.last, unit));
  return { rows: last, drops, before, calls };
}

/** Works in the order asked for, and gives the rows in the units' own. */
function inOrder<Row>(
  units: readonly Unit[],
  order: (units: readonly Unit[]) => readonly Unit[],
  run: (unit: Unit) => readonly Row[],
): readonly Row[] {
  const byUnit = new Map<Unit, readonly Row[]>();
  for (const unit of order(units)) byUnit.set(unit, run(unit));
  return units.flatMap((unit) => byUnit.get(unit) ?? []);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** Input rows of the texts, with ids from `r1`. */
export function textRows(texts: readonly string[]): readonly IntermediateRow[] {
  return texts.map((text, index) => ({ id: `r${index + 1}`, fields: { text } }));
}

/** An input row of a triple or pair. */
export function exampleRows(examples: readonly Partial<Example>[]): readonly IntermediateRow[] {
  return examples.map((example, index) => ({
    id: example.id ?? `r${index + 1}`,
    fields: { example: JSON.stringify({ hardNegatives: [], ...example }) },
  }));
}
