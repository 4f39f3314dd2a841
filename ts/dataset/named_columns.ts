import type { ExampleColumns } from './training_example.js';

/** Columns by role, as an option names them; hard negatives may be several, joined by commas. */
export function exampleColumns(
  given: Readonly<Record<string, string>> = {},
  id?: string,
): ExampleColumns {
  const { hardNegatives, ...single } = given;
  return {
    ...(id === undefined ? {} : { id }),
    ...single,
    ...(hardNegatives === undefined ? {} : { hardNegatives: hardNegatives.split(',') }),
  };
}
