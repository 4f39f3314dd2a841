// The files of a run read back: rows, what was dropped, and the rows of a stage before the last.
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { readLines } from '../dataset/lines.js';
import { maxLineBytes } from '../dataset/text.js';
import { SimgptError } from '../errors.js';
import { issueSentence } from '../files/checked_json.js';
import { errorCode, isMissing } from '../files/json.js';

/** One line of a file as what it holds, or the sentence that says why it holds none. */
export type RunLine<Row> =
  | { readonly where: string; readonly row: Row; readonly problem?: undefined }
  | { readonly where: string; readonly row?: undefined; readonly problem: string };

/**
 * The lines of `folder/name` in order, each read by `read`, which throws SimgptError for one that is
 * not as it should be. Throws SimgptError `fileNotFound` or `ioFailed` where the file is not to be had.
 */
export async function* readRunLines<Row>(
  folder: string,
  name: string,
  read: (line: string, where: string) => Row,
): AsyncGenerator<RunLine<Row>> {
  const lines = readLines(createReadStream(join(folder, name)), { maxBytes: maxLineBytes });
  try {
    for await (const { number, text, problem } of lines) {
      const where = `${name}, line ${number}`;
      yield problem === undefined ? readOne(text, where, read) : bad(where, problem);
    }
  } catch (error) {
    throw fileError(name, error);
  }
}

function readOne<Row>(
  text: string,
  where: string,
  read: (line: string, where: string) => Row,
): RunLine<Row> {
  try {
    return { where, row: read(text, where) };
  } catch (error) {
    if (error instanceof SimgptError) return { where, problem: error.message };
    throw error;
  }
}

function bad(where: string, problem: string): RunLine<never> {
  return { where, problem: `${where}: ${problem}` };
}

/** A system error of a run's file as the sentence that names it; any other as it is. */
export function fileError(name: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof SimgptError) return error;
  return isMissing(error)
    ? new SimgptError('fileNotFound', `${name}: expected a file, found none`, { cause: error })
    : new SimgptError('ioFailed', `${name}: could not be read: ${code}`, { cause: error });
}

const quarantineLine = z.looseObject({
  reason: z.string(),
  /** Of the unit; bad input rows have a line instead. */
  id: z.string().optional(),
  stage: z.string().optional(),
  detail: z.string().optional(),
  line: z.int().optional(),
  answers: z.array(z.object({ texts: z.array(z.string()) })).optional(),
});

/** A row of the quarantine file, as far as anyone looks at it. */
export type QuarantineLine = z.infer<typeof quarantineLine>;

/** Reads one line of the quarantine file. Throws SimgptError `dataInvalid`. */
export function readQuarantineLine(line: string, where: string): QuarantineLine {
  return readJsonLine(line, where, quarantineLine);
}

/** Reads a line as JSON of the given shape. Throws SimgptError `dataInvalid`. */
export function readJsonLine<T>(line: string, where: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new SimgptError('dataInvalid', `${where}: expected a JSON object`, { cause: error });
  }
  return checkedShape(value, where, schema);
}

/** The value as the schema has it. Throws SimgptError `dataInvalid` naming `where` and the field. */
export function checkedShape<T>(value: unknown, where: string, schema: z.ZodType<T>): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new SimgptError('dataInvalid', `${where}: ${issueSentence(result.error, value)}`);
}
