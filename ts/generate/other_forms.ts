import { createReadStream } from 'node:fs';
import { join } from 'node:path';

import { writeExamples } from '../dataset/example_writers.js';
import type { WrittenFormat } from '../dataset/example_writers.js';
import { readLines } from '../dataset/lines.js';
import { maxLineBytes } from '../dataset/text.js';
import { fingerprint } from '../files/hashed_file.js';
import { dataName } from './artefact.js';
import { readExample } from './example.js';
import type { Example } from './example.js';
import type { WrittenFile } from './run_records.js';

/** The rows of a finished run, one at a time. Throws SimgptError `dataInvalid` by line. */
export async function* readRunRows(folder: string): AsyncGenerator<Example> {
  const chunks = createReadStream(join(folder, dataName));
  for await (const { number, text, problem } of readLines(chunks, { maxBytes: maxLineBytes })) {
    if (problem === undefined) yield readExample(text, `${dataName}, line ${number}`);
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
