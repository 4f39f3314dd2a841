import { isUtf8 } from 'node:buffer';
import { SimgptError } from '../errors.js';
import { readCsvRecords } from './csv_records.js';
import type { DatasetFormat, InputSource } from './input.js';
import { splitJsonObject } from './json_record.js';
import { readLines } from './lines.js';
import { maxTextBytes, textProblem, wellFormed } from './text.js';

/** One text of a data set. */
export interface TextRow {
  /** Where its record starts, from 1. */
  readonly line: number;
  /** Its id field, or the record's number from 1 where it has none. */
  readonly id: string;
  readonly text: string;
  /** True where half of a broken surrogate pair was replaced by U+FFFD. */
  readonly replaced: boolean;
  readonly problem?: undefined;
}

/** A record that is no text, and why. */
export interface RowProblem {
  readonly line: number;
  readonly field: string | null;
  readonly problem: string;
}

export interface ReadTextsOptions {
  readonly format: DatasetFormat;
  /** Default `text`. */
  readonly textField?: string;
  /** Default `id` where records have one; where it is given, every record must have it. */
  readonly idField?: string;
}

const maxLineBytes = 16 * 2 ** 20;
const maxIdBytes = 1024;
// oxlint-disable-next-line no-control-regex -- control characters are what an id may not hold
const control = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * The texts of a data set in order, bad records among them as problems. Throws SimgptError
 * `dataInvalid` where the file as a whole is none: empty, or without the named columns.
 */
export async function* readTexts(
  source: InputSource,
  options: ReadTextsOptions,
): AsyncGenerator<TextRow | RowProblem> {
  let record = 0;
  for await (const row of readersByFormat[options.format](source, options)) {
    record++;
    yield 'problem' in row ? row : toTextRow(row, String(record));
  }
  if (record === 0) {
    throw new SimgptError(
      'dataInvalid',
      `expected at least one record in ${source.name}, found none`,
    );
  }
}

/** What every form reduces to: a text, an id or null, each already known to be a string. */
interface RawRow {
  readonly line: number;
  readonly id: string | null;
  readonly idField: string;
  readonly text: string;
  readonly textField: string;
}

type Reader = (
  source: InputSource,
  options: ReadTextsOptions,
) => AsyncGenerator<RawRow | RowProblem>;

const readersByFormat: Readonly<Record<DatasetFormat, Reader>> = {
  txt: readPlain,
  jsonl: readJsonLines,
  csv: (source, options) => readColumns(source, csvRows(source), options),
  tsv: (source, options) => readColumns(source, tsvRows(source), options),
};

function toTextRow(row: RawRow, number: string): TextRow | RowProblem {
  const { line, id } = row;
  const tooLong = textProblem(row.text);
  if (tooLong !== null) {
    return { line, field: row.textField, problem: tooLong };
  }
  if (id !== null && (control.test(id) || Buffer.byteLength(id) > maxIdBytes)) {
    const problem = `expected an id of at most ${maxIdBytes} bytes without control characters`;
    return { line, field: row.idField, problem };
  }
  const { text, replaced } = wellFormed(row.text);
  return { line, id: id === null ? number : wellFormed(id).text, text, replaced };
}

async function* readPlain(source: InputSource): ReturnType<Reader> {
  for await (const line of readLines(source.chunks, { maxBytes: maxTextBytes })) {
    if (line.problem !== undefined) {
      yield { line: line.number, field: null, problem: line.problem };
    } else {
      yield { line: line.number, id: null, idField: 'id', text: line.text, textField: 'text' };
    }
  }
}

async function* readJsonLines(source: InputSource, options: ReadTextsOptions): ReturnType<Reader> {
  const { textField = 'text', idField = 'id' } = options;
  for await (const { number: line, text: json, problem } of readLines(source.chunks, {
    maxBytes: maxLineBytes,
  })) {
    if (problem !== undefined) {
      yield { line, field: null, problem };
      continue;
    }
    if (json.trim() === '') {
      continue;
    }
    const members = splitJsonObject(json);
    if (typeof members === 'string') {
      yield { line, field: null, problem: members };
      continue;
    }
    const text = members.get(textField);
    const id = members.get(idField) ?? 'null';
    if (text === undefined || !text.startsWith('"')) {
      yield { line, field: textField, problem: `expected a string, received ${kindOf(text)}` };
    } else if (id === 'null' ? options.idField !== undefined : !/^["\d-]/.test(id)) {
      const received = kindOf(members.get(idField));
      yield {
        line,
        field: idField,
        problem: `expected a string or a number, received ${received}`,
      };
    } else {
      yield {
        line,
        // A number keeps its digits as written: past 2^53 two ids must not become one.
        id: id === 'null' ? null : id.startsWith('"') ? (JSON.parse(id) as string) : id,
        idField,
        text: JSON.parse(text) as string,
        textField,
      };
    }
  }
}

function kindOf(json: string | undefined): string {
  if (json === undefined) {
    return 'nothing';
  }
  const kinds = {
    '"': 'a string',
    '{': 'an object',
    '[': 'a list',
    n: 'null',
    t: 'true',
    f: 'false',
  };
  return kinds[json[0] as keyof typeof kinds] ?? 'a number';
}

type ColumnRow =
  | { readonly line: number; readonly fields: readonly string[] }
  | { readonly line: number; readonly problem: string };

async function* csvRows(source: InputSource): AsyncGenerator<ColumnRow> {
  for await (const record of readCsvRecords(source.chunks, { maxBytes: maxLineBytes })) {
    if (record.problem !== undefined) {
      yield record;
    } else if (!record.fields.every((field) => isUtf8(field))) {
      yield { line: record.line, problem: 'expected UTF-8, received other bytes' };
    } else {
      const fields = record.fields.map((field) => Buffer.from(field).toString('utf8'));
      yield { line: record.line, fields };
    }
  }
}

async function* tsvRows(source: InputSource): AsyncGenerator<ColumnRow> {
  for await (const { number, text, problem } of readLines(source.chunks, {
    maxBytes: maxLineBytes,
  })) {
    yield problem === undefined
      ? { line: number, fields: text.split('\t') }
      : { line: number, problem };
  }
}

async function* readColumns(
  source: InputSource,
  rows: AsyncGenerator<ColumnRow>,
  options: ReadTextsOptions,
): ReturnType<Reader> {
  const { textField = 'text', idField = 'id' } = options;
  const { value: header } = await rows.next();
  if (header === undefined) {
    return;
  }
  if ('problem' in header) {
    throw new SimgptError('dataInvalid', `${source.name}, line 1: ${header.problem}`);
  }
  const textColumn = columnOf(source, header.fields, textField);
  const idColumn =
    options.idField !== undefined || header.fields.includes(idField)
      ? columnOf(source, header.fields, idField)
      : -1;
  for await (const row of rows) {
    const { line } = row;
    if ('problem' in row) {
      yield { line, field: null, problem: row.problem };
    } else if (row.fields.length === header.fields.length) {
      const id = idColumn < 0 ? null : row.fields[idColumn]!;
      yield { line, id, idField, text: row.fields[textColumn]!, textField };
    } else if (row.fields.length > 1 || row.fields[0] !== '') {
      const counts = `expected ${header.fields.length} fields, received ${row.fields.length}`;
      yield { line, field: null, problem: counts };
    }
  }
}

function columnOf(source: InputSource, header: readonly string[], name: string): number {
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
