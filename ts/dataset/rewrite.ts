import { SimgptError } from '../errors.js';
import type { BadRow } from '../files/quarantine.js';
import { createQuarantine } from '../files/quarantine.js';
import { expectFolderOf, expectWritable } from '../files/output_check.js';
import { readExamples } from './examples.js';
import type { ReadExamplesOptions } from './examples.js';
import { writeExamples } from './example_writers.js';
import type { WrittenFormat, WriteExamplesOptions } from './example_writers.js';
import { extensionOf } from './input.js';
import type { TrainingExample } from './training_example.js';

/** Files of examples that are read one after the other. */
export interface ExampleInputs {
  readonly paths: readonly string[];
  readonly reading?: ReadExamplesOptions | undefined;
  /** Stop at the first bad row. */
  readonly strict?: boolean | undefined;
}

/** The good rows of the files in order; bad ones go to `onBad`. Throws what reading throws. */
export async function* goodExamples(
  { paths, reading = {}, strict = false }: ExampleInputs,
  onBad: (row: BadRow) => void | Promise<void>,
): AsyncGenerator<TrainingExample> {
  for (const path of paths) {
    for await (const row of readExamples(path, reading)) {
      if (row.problem === undefined) {
        yield row;
        continue;
      }
      const bad = { file: path, line: row.line, field: row.field, reason: row.problem };
      if (strict) {
        const field = bad.field === null ? '' : `, field ${bad.field}`;
        throw new SimgptError('dataInvalid', `${path}, line ${bad.line}${field}: ${bad.reason}`);
      }
      await onBad(bad);
    }
  }
}

export interface RewriteOptions extends ExampleInputs, WriteExamplesOptions {
  readonly output: string;
  /** Default: what the output's name promises. */
  readonly outputFormat?: WrittenFormat | undefined;
  /** Where bad rows go; default beside the output. Null: they are passed over. */
  readonly quarantine?: string | null | undefined;
  /** Write rows of jsonl anew instead of as they are. */
  readonly rewritten?: boolean | undefined;
}

export interface RewriteSummary {
  readonly output: string;
  /** `read` = `written` + `dropped` + `failed`. */
  readonly read: number;
  readonly written: number;
  readonly dropped: number;
  readonly failed: number;
  readonly quarantine: string | null;
  /** Texts of a CSV that a spreadsheet would run as formulas. */
  readonly formulas: number;
}

/**
 * Writes those rows of the files that `keep` lets pass, in order, to a file that appears whole or not
 * at all. A row of jsonl that goes to jsonl keeps its bytes.
 */
export async function rewriteExamples(
  options: RewriteOptions,
  keep: (example: TrainingExample, index: number) => boolean,
): Promise<RewriteSummary> {
  const { output, reading, rewritten = false } = options;
  const format = options.outputFormat ?? writtenFormatOfName(output);
  const quarantine =
    options.quarantine === null ? undefined : createQuarantine(quarantineOf(options));
  const counts = { read: 0, dropped: 0, failed: 0 };
  const rows = async function* (): AsyncGenerator<TrainingExample> {
    const inputs = { ...options, reading: { ...reading, keepRecords: true } };
    let index = 0;
    const onBad = async (row: BadRow): Promise<void> => {
      counts.failed++;
      await quarantine?.add(row);
    };
    for await (const example of goodExamples(inputs, onBad)) {
      if (keep(example, index++)) {
        yield rewritten ? { ...example, record: undefined } : example;
      } else {
        counts.dropped++;
      }
    }
    counts.read = index + counts.failed;
  };
  try {
    const { rows: written, formulas } = await writeExamples(output, format, rows(), {
      csvFor: options.csvFor,
    });
    await quarantine?.commit();
    const path = counts.failed > 0 && quarantine !== undefined ? quarantine.path : null;
    return { output, ...counts, written, quarantine: path, formulas };
  } catch (error) {
    await quarantine?.abort();
    throw error;
  }
}

/** Checks what can be known before a row is read. Throws as `expectWritable` does. */
export async function expectRewritable(
  options: Pick<RewriteOptions, 'paths' | 'output' | 'outputFormat' | 'quarantine'>,
  overwrite: boolean,
): Promise<void> {
  if (options.outputFormat === undefined) {
    writtenFormatOfName(options.output);
  }
  const quarantine = options.quarantine === null ? [] : [quarantineOf(options)];
  await expectWritable([options.output, ...quarantine], options.paths, overwrite);
  await expectFolderOf(options.output);
}

function quarantineOf({
  output,
  quarantine,
}: Pick<RewriteOptions, 'output' | 'quarantine'>): string {
  return quarantine ?? `${output}.quarantine.jsonl`;
}

/** The form that an output's name promises; throws SimgptError `unsupported` for any other. */
export function writtenFormatOfName(path: string): WrittenFormat {
  const extension = path.toLowerCase().endsWith('.gz') ? 'gz' : extensionOf(path);
  if (extension === 'jsonl' || extension === 'csv' || extension === 'parquet') {
    return extension;
  }
  throw new SimgptError(
    'unsupported',
    `expected an output ending in .jsonl, .csv or .parquet, received ${path}; ` +
      'or name the form with --output-format',
  );
}
