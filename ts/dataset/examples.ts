import { SimgptError } from '../errors.js';
import { columnRows, readHeader, rowsUnder } from './columns.js';
import { exampleFormatOfName } from './example_formats.js';
import type { ExampleFormat } from './example_formats.js';
import { openInput } from './input.js';
import type { InputSource } from './input.js';
import { idOfJson, readJsonRecords } from './json_record.js';
import type { JsonMembers } from './json_record.js';
import { readLines } from './lines.js';
import { maxTextBytes } from './text.js';
import type { RowProblem } from './text.js';
import { mapFields, sourceOfPath, toExample } from './training_example.js';
import { fieldsByName } from './example_fields.js';
import type {
  ExampleColumns,
  ExampleRules,
  FieldMap,
  RowValues,
  TrainingExample,
} from './training_example.js';

export interface ReadExamplesOptions extends ExampleRules {
  /** Default: what the file's name promises. */
  readonly format?: ExampleFormat | undefined;
  /**
   * Columns of csv and tsv by position instead of by name (D20): one is a text for unsupervised
   * training, two are pairs, three are triples. `noHeader`: line 1 is data.
   */
  readonly byPosition?: 'header' | 'noHeader' | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The examples of a file (or of standard input, `-`) in order, bad records among them as problems;
 * memory does not grow with the file. txt is unsupervised: each line is anchor and positive. Throws
 * SimgptError `dataInvalid` where the file as a whole is none: empty, damaged, or without columns
 * for anchor and positive.
 */
export async function* readExamples(
  source: string | InputSource,
  options: ReadExamplesOptions = {},
): AsyncGenerator<TrainingExample | RowProblem> {
  const name = typeof source === 'string' ? source : source.name;
  const format = options.format ?? (name === '-' ? 'jsonl' : exampleFormatOfName(name));
  if (options.byPosition !== undefined && format !== 'csv' && format !== 'tsv') {
    throw new RangeError(`expected columns by position in csv or tsv, received ${format}`);
  }
  const fallbackSource = options.sourceName ?? sourceOfPath(name);
  let record = 0;
  for await (const row of rowsOf(source, format, options)) {
    record++;
    yield 'problem' in row
      ? row
      : toExample(row.values, row.fields, { ...options, number: String(record), fallbackSource });
  }
  if (record === 0) {
    throw new SimgptError('dataInvalid', `expected at least one record in ${name}, found none`);
  }
}

interface MappedRow {
  readonly values: RowValues;
  readonly fields: FieldMap;
}

type MappedRows = AsyncGenerator<MappedRow | RowProblem>;

async function* rowsOf(
  source: string | InputSource,
  format: ExampleFormat,
  options: ReadExamplesOptions,
): MappedRows {
  if (format === 'parquet') {
    if (typeof source !== 'string' || source === '-') {
      throw new SimgptError('unsupported', 'expected Parquet in a file, received a stream');
    }
    const { readParquetRows } = await import('./parquet_reader.js');
    yield* readParquetRows(source, options);
    return;
  }
  const input = typeof source === 'string' ? await openInput(source, options.signal) : source;
  if (format === 'txt') {
    yield* plainRows(input);
  } else if (format === 'jsonl') {
    yield* jsonRows(input, options.columns);
  } else {
    yield* columnValues(input, format, options);
  }
}

const textField: FieldMap = { single: { anchor: 'text', positive: 'text' }, hardNegatives: [] };

async function* plainRows(source: InputSource): MappedRows {
  for await (const line of readLines(source.chunks, { maxBytes: maxTextBytes })) {
    yield line.problem === undefined
      ? {
          values: { line: line.number, value: () => line.text, label: () => null },
          fields: textField,
        }
      : { line: line.number, field: null, problem: line.problem };
  }
}

async function* jsonRows(source: InputSource, columns: ExampleColumns | undefined): MappedRows {
  for await (const row of readJsonRecords(source)) {
    if (row.problem !== undefined) {
      yield row;
      continue;
    }
    const { line, members, json } = row;
    const fields = mapFields(members.keys(), columns);
    yield typeof fields === 'string'
      ? { line, field: null, problem: fields }
      : { values: { ...jsonValues(members), line, record: json }, fields };
  }
}

function jsonValues(members: JsonMembers): Pick<RowValues, 'value' | 'label'> {
  return {
    value: (name) => {
      const json = members.get(name);
      return json === undefined ? undefined : (JSON.parse(json) as unknown);
    },
    label: (name) => idOfJson(members.get(name), false),
  };
}

async function* columnValues(
  source: InputSource,
  format: 'csv' | 'tsv',
  options: ReadExamplesOptions,
): MappedRows {
  const rows = columnRows(source, format);
  const first = await readHeader(source, rows);
  if (first === undefined) {
    return;
  }
  const header =
    options.byPosition === undefined ? first : first.map((_, index) => `column ${index + 1}`);
  const fields =
    options.byPosition === undefined
      ? fieldsByName(`${source.name}, line 1`, first, options.columns)
      : fieldsByPosition(source, header);
  const columnOfName = new Map(header.map((name, column) => [name, column]));
  const mapped = (line: number, cells: readonly string[]): MappedRow => {
    const cell = (name: string): string | undefined => {
      const column = columnOfName.get(name);
      return column === undefined ? undefined : cells[column];
    };
    return { values: { line, value: cell, label: (name) => cell(name) ?? null }, fields };
  };
  if (options.byPosition === 'noHeader') {
    yield mapped(1, first);
  }
  for await (const row of rowsUnder(header, rows)) {
    yield row.problem === undefined ? mapped(row.line, row.fields) : row;
  }
}

function fieldsByPosition(source: InputSource, header: readonly string[]): FieldMap {
  const [anchor, positive, ...hardNegatives] = header;
  if (header.length > 3) {
    throw new SimgptError(
      'dataInvalid',
      `expected one to three columns by position in ${source.name}, received ${header.length}`,
    );
  }
  return { single: { anchor: anchor!, positive: positive ?? anchor! }, hardNegatives };
}
