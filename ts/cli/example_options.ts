import { Option } from '@commander-js/extra-typings';
import { exampleFormats } from '../dataset/example_formats.js';
import type { ExampleFormat } from '../dataset/example_formats.js';
import type { ReadExamplesOptions } from '../dataset/examples.js';
import { exampleColumns } from '../dataset/named_columns.js';
import { columnsOption } from './example_columns.js';

/** What the options common to every command that reads examples come to. */
export interface ExampleFlags {
  readonly inputFormat?: ExampleFormat;
  readonly columns?: Readonly<Record<string, string>>;
  readonly byPosition?: 'header' | 'noHeader';
  readonly keepEmpty?: boolean;
}

/** The options of every command that reads examples, in the order of its help. */
export function exampleOptions(): Option[] {
  return [
    new Option('--input-format <name>', 'instead of the extension').choices(exampleFormats),
    columnsOption(),
    new Option(
      '--by-position <how>',
      'columns of csv and tsv by position: text, pair or triple',
    ).choices(['header', 'noHeader'] as const),
    new Option('--keep-empty', 'keep rows with an empty text'),
  ];
}

/** The flags as options of reading. */
export function readingOf(flags: ExampleFlags): Omit<ReadExamplesOptions, 'signal'> {
  const { inputFormat: format, columns, byPosition, keepEmpty } = flags;
  return { format, columns: exampleColumns(columns), byPosition, keepEmpty };
}
