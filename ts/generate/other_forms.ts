import { join } from 'node:path';

import { writeExamples } from '../dataset/example_writers.js';
import type { WrittenFormat } from '../dataset/example_writers.js';
import { SimgptError } from '../errors.js';
import { fingerprint } from '../files/hashed_file.js';
import { dataName } from './artefact.js';
import { readExample } from './example.js';
import type { Example } from './example.js';
import { readRunLines } from './run_lines.js';
import type { WrittenFile } from './run_records.js';

/** The rows of a finished run, one at a time. Throws SimgptError, `dataInvalid` by line. */
export async function* readRunRows(folder: string): AsyncGenerator<Example> {
  for await (const { row, problem } of readRunLines(folder, dataName, readExample)) {
    if (problem !== undefined) throw new SimgptError('dataInvalid', problem);
    yield row;
  }
}

/** The rows of a run in another form beside data.jsonl; CSV holds their texts alone. */
export async function writeOtherForm(
  folder: string,
  format: Exclude<WrittenFormat, 'jsonl'>,
): Promise<WrittenFile> {
  const name = `data.${format}`;
  const path = join(folder, name);
  const { rows } = await writeExamples(path, format, readRunRows(folder));
  const found = await fingerprint(path);
  return { name, rows, sha256: found!.sha256 };
}
