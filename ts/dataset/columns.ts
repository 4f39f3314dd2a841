import { isUtf8 } from 'node:buffer';
import { SimgptError } from '../errors.js';
import { readCsvRecords } from './csv_records.js';
import type { InputSource } from './input.js';
import { readLines } from './lines.js';
import { maxLineBytes } from './text.js';
import type { RowProblem } from './text.js';

/** The fields of one row of a file in columns. */
export interface ColumnRow {
  readonly line: number;
  readonly fields: readonly string[];
  readonly problem?: undefined;
}

/** The rows of a csv file (RFC 4180) or a tsv file (no quoting), the header among them. */
export function columnRows(
  source: InputSource,
  format: 'csv' | 'tsv',
): AsyncGenerator<ColumnRow | RowProblem> {
  return format === 'csv' ? csvRows(source) : tsvRows(source);
}

/** The names of the columns; undefined for an empty file. Throws `dataInvalid` where line 1 is none. */
export async function readHeader(
  source: InputSource,
  rows: AsyncGenerator<ColumnRow | RowProblem>,
): Promise<readonly string[] | undefined> {
  const { value: header } = await rows.next();
  if (header === undefined) {
    return undefined;
  }
  const { problem } = header;
  if (problem !== undefined) {
    throw new SimgptError('dataInvalid', `${source.name}, line 1: ${problem}`);
  }
  return header.fields;
}

/** The rows below a header: one of another width is a problem, an empty line is no row. */
export async function* rowsUnder(
  header: readonly string[],
  rows: AsyncGenerator<ColumnRow | RowProblem>,
): AsyncGenerator<ColumnRow | RowProblem> {
  for await (const row of rows) {
    if (row.problem !== undefined || row.fields.length === header.length) {
      yield row;
    } else if (row.fields.length > 1 || row.fields[0] !== '') {
      const problem = `expected ${header.length} fields, received ${row.fields.length}`;
      yield { line: row.line, field: null, problem };
    }
  }
}

async function* csvRows(source: InputSource): AsyncGenerator<ColumnRow | RowProblem> {
  for await (const record of readCsvRecords(source.chunks, { maxBytes: maxLineBytes })) {
    if (record.problem !== undefined) {
      yield { line: record.line, field: null, problem: record.problem };
    } else if (!record.fields.every((field) => isUtf8(field))) {
      yield { line: record.line, field: null, problem: 'expected UTF-8, received other bytes' };
    } else {
      const fields = record.fields.map((field) => Buffer.from(field).toString('utf8'));
      yield { line: record.line, fields };
    }
  }
}

async function* tsvRows(source: InputSource): AsyncGenerator<ColumnRow | RowProblem> {
  for await (const { number, text, problem } of readLines(source.chunks, {
    maxBytes: maxLineBytes,
  })) {
    yield problem === undefined
      ? { line: number, fields: text.split('\t') }
      : { line: number, field: null, problem };
  }
}

/** Where a column stands. Throws `dataInvalid` unless the header has the name exactly once. */
export function columnOf(source: InputSource, header: readonly string[], name: string): number {
  const column = header.indexOf(name);
  if (column < 0 || header.lastIndexOf(name) !== column) {
    const found = header
      .map((field) => JSON.stringify(field.slice(0, 40)))
      .slice(0, 20)
      .join(', ');
    throw new SimgptError(
      'dataInvalid',
      `expected one column ${JSON.stringify(name)} on line 1 of ${source.name}, received ${found}`,
    );
  }
  return column;
}
