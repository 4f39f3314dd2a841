import { datasetFormats, extensionOf, formatOfName } from './input.js';
import type { DatasetFormat } from './input.js';

/** The forms of training data. */
export type ExampleFormat = DatasetFormat | 'parquet';

/** All of them, for messages and option lists. */
export const exampleFormats: readonly ExampleFormat[] = [...datasetFormats, 'parquet'];

/** The form that a file's name promises; throws SimgptError `unsupported` for any other. */
export function exampleFormatOfName(path: string): ExampleFormat {
  return extensionOf(path) === 'parquet' ? 'parquet' : formatOfName(path);
}
