import { SimgptError } from '../errors.js';
import { columnOf, columnRows, readHeader, rowsUnder } from './columns.js';
import type { ColumnRow } from './columns.js';
import type { DatasetFormat, InputSource } from './input.js';
import { idOfJson, kindOfJson, readJsonRecords } from './json_record.js';
import { readLines } from './lines.js';
import { idProblem, maxTextBytes, textProblem, wellFormed } from './text.js';
import type { RowProblem } from './text.js';

/** One text of a data set. */
export interface TextRow {
  /** Where its record starts, from 1. */
  readonly line: number;
  /** Its id field, or the record's number from 1 where it has none. */
  readonly id: string;
  readonly text: string;
  /** The data set it comes from, where that was asked for and the record says it. */
  readonly source?: string;
  /** True where half of a broken surrogate pair was replaced by U+FFFD. */
  readonly replaced: boolean;
  readonly problem?: undefined;
}

export interface ReadTextsOptions {
  readonly format: DatasetFormat;
  /** Default `text`. */
  readonly textField?: string;
  /** Default `id` where records have one; where it is given, every record must have it. */
  readonly idField?: string;
  /** Where the data set a record comes from is said; records may leave it out. Default: not read. */
  readonly sourceField?: string;
}

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
    yield 'problem' in row ? row : toTextRow(row, String(record), options.sourceField ?? null);
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
  readonly source?: string | null;
}

type Reader = (
  source: InputSource,
  options: ReadTextsOptions,
) => AsyncGenerator<RawRow | RowProblem>;

const readersByFormat: Readonly<Record<DatasetFormat, Reader>> = {
  txt: readPlain,
  jsonl: readJsonLines,
  csv: (source, options) => readColumns(source, columnRows(source, 'csv'), options),
  tsv: (source, options) => readColumns(source, columnRows(source, 'tsv'), options),
};

function toTextRow(row: RawRow, number: string, sourceField: string | null): TextRow | RowProblem {
  const { line, id } = row;
  const tooLong = textProblem(row.text);
  if (tooLong !== null) {
    return { line, field: row.textField, problem: tooLong };
  }
  const badId = id === null ? null : idProblem(id);
  if (badId !== null) {
    return { line, field: row.idField, problem: badId };
  }
  const source = row.source ?? '';
  const badSource = idProblem(source, 'a source');
  if (badSource !== null) {
    return { line, field: sourceField, problem: badSource };
  }
  const { text, replaced } = wellFormed(row.text);
  return {
    line,
    id: id === null ? number : wellFormed(id).text,
    text,
    ...(source === '' ? {} : { source: wellFormed(source).text }),
    replaced,
  };
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
  for await (const record of readJsonRecords(source)) {
    if (record.problem !== undefined) {
      yield record;
      continue;
    }
    const { line, members } = record;
    const text = members.get(textField);
    const id = idOfJson(members.get(idField), options.idField !== undefined);
    const { sourceField } = options;
    const from = sourceField === undefined ? null : idOfJson(members.get(sourceField), false);
    if (text === undefined || !text.startsWith('"')) {
      yield { line, field: textField, problem: `expected a string, received ${kindOfJson(text)}` };
    } else if (id === undefined || from === undefined) {
      const field = id === undefined ? idField : sourceField!;
      const received = kindOfJson(members.get(field));
      yield { line, field, problem: `expected a string or a number, received ${received}` };
    } else {
      yield { line, id, idField, text: JSON.parse(text) as string, textField, source: from };
    }
  }
}

async function* readColumns(
  source: InputSource,
  rows: AsyncGenerator<ColumnRow | RowProblem>,
  options: ReadTextsOptions,
): ReturnType<Reader> {
  const { textField = 'text', idField = 'id' } = options;
  const header = await readHeader(source, rows);
  if (header === undefined) {
    return;
  }
  const textColumn = columnOf(source, header, textField);
  const idColumn =
    options.idField !== undefined || header.includes(idField)
      ? columnOf(source, header, idField)
      : -1;
  const sourceColumn = options.sourceField === undefined ? -1 : header.indexOf(options.sourceField);
  for await (const row of rowsUnder(header, rows)) {
    if (row.problem !== undefined) {
      yield row;
    } else {
      const id = idColumn < 0 ? null : row.fields[idColumn]!;
      const from = row.fields[sourceColumn] ?? null;
      yield { line: row.line, id, idField, text: row.fields[textColumn]!, textField, source: from };
    }
  }
}
