import { SimgptError } from '../errors.js';
import { mapFields } from './training_example.js';
import type { ExampleColumns, FieldMap } from './training_example.js';

/** What the columns hold; `where` says whose. Throws `dataInvalid` where one that is needed is missing or there twice. */
export function fieldsByName(
  where: string,
  header: readonly string[],
  columns: ExampleColumns | undefined,
): FieldMap {
  const fields = mapFields(header, columns);
  const found = header.slice(0, 20).map((name) => JSON.stringify(name.slice(0, 40)));
  const refuse = (expected: string): SimgptError =>
    new SimgptError('dataInvalid', `${where}: ${expected}, received ${found.join(', ')}`);
  if (typeof fields === 'string') {
    throw new SimgptError('dataInvalid', `${where}: ${fields}`);
  }
  if (fields.single.anchor === undefined) {
    throw refuse('expected a column anchor or sent0 (or --columns anchor=NAME)');
  }
  if (fields.single.positive === undefined) {
    throw refuse('expected a column positive or sent1 (or --columns positive=NAME)');
  }
  for (const name of [...Object.values(fields.single), ...fields.hardNegatives]) {
    const column = header.indexOf(name);
    if (column < 0 || header.lastIndexOf(name) !== column) {
      throw refuse(`expected one column ${JSON.stringify(name.slice(0, 40))}`);
    }
  }
  return fields;
}
