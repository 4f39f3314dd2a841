import { basename, dirname } from 'node:path';
import { z } from 'zod';

import { SimgptError } from '../errors.js';
import { openInput } from '../dataset/input.js';
import type { DatasetFormat } from '../dataset/input.js';
import { readTexts } from '../dataset/readers.js';
import { fingerprint } from '../files/hashed_file.js';
import type { IntermediateRow } from './recipe.js';
import { readJsonLine, readRunLines } from './run_lines.js';

/** A row of the input that is none, and the whole of it as a sentence. */
export interface BadInputRow {
  readonly file: string;
  readonly line: number;
  readonly field: string | null;
  readonly problem: string;
  readonly sentence: string;
}

/** What a run is made from: a file that stays the same from its start to its end. */
export interface GenerationInput {
  readonly fingerprint: { readonly bytes: number; readonly sha256: string };
  /** The first `limit` good rows in order; bad ones among them go to `onBad`. */
  readonly rows: (
    limit: number | null,
    onBad: (bad: BadInputRow) => void | Promise<void>,
  ) => AsyncIterable<IntermediateRow>;
  /** Throws SimgptError `dataInvalid` where the file has changed. */
  readonly expectUnchanged: () => Promise<void>;
}

export interface TextInputOptions {
  readonly format: DatasetFormat;
  readonly textField?: string;
  readonly idField?: string;
  /** Of rows that name none in a field `source`. */
  readonly source?: string;
}

/** The texts of a file as rows with a field `text`. Throws SimgptError `fileNotFound`. */
export async function textInput(path: string, options: TextInputOptions): Promise<GenerationInput> {
  const { source, ...reading } = options;
  return fileInput(path, async function* (limit, onBad) {
    let count = 0;
    for await (const row of readTexts(await openInput(path), {
      ...reading,
      sourceField: 'source',
    })) {
      if (limit !== null && count >= limit) return;
      if (row.problem !== undefined) {
        await onBad(badRow(path, row.line, row.field, row.problem));
      } else if (row.text.trim() === '') {
        const field = reading.format === 'txt' ? null : (reading.textField ?? 'text');
        await onBad(badRow(path, row.line, field, 'expected a text, received none'));
      } else {
        count += 1;
        const named = row.source ?? source;
        const from = named === undefined ? {} : { source: named };
        yield { id: row.id, fields: { text: row.text, ...from } };
      }
    }
  });
}

/** An input over a file: its fingerprint is taken now and looked at again in the end. */
export async function fileInput(
  path: string,
  rows: GenerationInput['rows'],
): Promise<GenerationInput> {
  const found = await fingerprint(path);
  if (found === undefined) {
    throw new SimgptError('fileNotFound', `expected a file at ${path}, found none`);
  }
  return {
    fingerprint: found,
    rows,
    expectUnchanged: async () => {
      if ((await fingerprint(path))?.sha256 === found.sha256) return;
      throw new SimgptError('dataInvalid', `${path}: expected no change during the run, found one`);
    },
  };
}

export function badRow(
  path: string,
  line: number,
  field: string | null,
  problem: string,
): BadInputRow {
  const file = basename(path);
  const where = field === null ? '' : `, field ${field}`;
  return { file, line, field, problem, sentence: `${file}, line ${line}${where}: ${problem}` };
}

const intermediateRow = z.strictObject({
  id: z.string(),
  fields: z.record(z.string(), z.string()),
});

/** The rows that a stage before the last one wrote. Throws SimgptError by line. */
export async function* readIntermediate(path: string): AsyncGenerator<IntermediateRow> {
  const read = (line: string, where: string): IntermediateRow =>
    readJsonLine(line, where, intermediateRow);
  for await (const { row, problem } of readRunLines(dirname(path), basename(path), read)) {
    if (problem !== undefined) throw new SimgptError('fileInvalid', problem);
    yield row;
  }
}
