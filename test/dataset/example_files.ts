import { readExamples } from '#dist/dataset/examples.js';
import type { ReadExamplesOptions } from '#dist/dataset/examples.js';

/** Examples of a file without `line`, problems as [line, field, problem]. */
export async function rowsOfFile(
  path: string,
  options: ReadExamplesOptions = {},
): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of readExamples(path, options)) {
    if (row.problem !== undefined) {
      rows.push([row.line, row.field, row.problem]);
    } else {
      const { line: _line, replaced: _replaced, ...rest } = row;
      rows.push(rest);
    }
  }
  return rows;
}
