import { comparable } from '../parse.js';
import type { IntermediateRow, Unit, Verdict } from '../recipe.js';
import type { FindNearDuplicates } from './options.js';
import { dropVerdict, unitOfRow } from './rows.js';

/** The input that says which earlier row a unit repeats. */
const repeats = 'repeats';

/**
 * The rows of the stage before as units. One that repeats an earlier text, but for case and white
 * space or by meaning, stays a unit, so that it is counted, and is dropped before any call.
 */
export async function distinctUnits(
  rows: AsyncIterable<IntermediateRow> | Iterable<IntermediateRow>,
  field: string,
  nearDuplicates?: FindNearDuplicates,
): Promise<readonly Unit[]> {
  const units: Unit[] = [];
  for await (const row of rows) units.push(unitOfRow(row));
  const texts = units.map((unit) => unit.inputs[field] ?? '');
  const near = (await nearDuplicates?.(texts)) ?? new Set<number>();
  const seen = new Set<string>();
  return units.map((unit, index) => {
    const key = comparable(texts[index]!);
    const how = seen.has(key) ? 'equal' : near.has(index) ? 'near' : undefined;
    seen.add(key);
    return how === undefined ? unit : { ...unit, inputs: { ...unit.inputs, [repeats]: how } };
  });
}

/** The drop of a unit that repeats another, or undefined. */
export function repeatedDrop({
  inputs,
}: Unit): Extract<Verdict<never>, { kind: 'drop' }> | undefined {
  const how = inputs[repeats];
  if (how === undefined) return undefined;
  const what = how === 'near' ? 'nearly the same as' : 'equal to';
  return dropVerdict('duplicate', `expected a new text, received one ${what} an earlier one`);
}
