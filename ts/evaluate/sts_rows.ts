import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openInput, readFailure } from '../dataset/input.js';
import { readLines } from '../dataset/lines.js';
import type { Line } from '../dataset/lines.js';
import { maxTextBytes, textProblem } from '../dataset/text.js';
import { SimgptError } from '../errors.js';
import type { BadRow } from '../files/quarantine.js';
import type { StsTaskName } from './sts_tasks.js';

/** One labelled pair as its file has it. */
export interface StsRow {
  readonly split: string;
  readonly subset: string;
  readonly score: number;
  readonly sentence1: string;
  readonly sentence2: string;
}

/** The rows of one file or folder, and those that could not be read. */
export interface StsRows {
  readonly rows: StsRow[];
  readonly badRows: BadRow[];
}

// A line holds two texts and little else.
const maxLineBytes = 2 * maxTextBytes + 4096;
/** The first line of our own form. */
export const stsTableHeader = 'split\tsubset\tscore\tsentence1\tsentence2';

/** Reads `split subset score sentence1 sentence2`: one header line, tabs, no quoting. */
export async function readStsTable(path: string, signal?: AbortSignal): Promise<StsRows> {
  const [header, ...lines] = await linesOf(path, signal);
  if (header?.text !== stsTableHeader) {
    const received = JSON.stringify((header?.text ?? '').slice(0, 100));
    throw new SimgptError(
      'dataInvalid',
      `expected the header ${JSON.stringify(stsTableHeader)} on line 1 of ${path}, received ${received}`,
    );
  }
  const found = emptyRows();
  for (const line of lines) {
    addRow(found, path, line, 5, true, ([split, subset, score, first, second]) =>
      rowOf(split!, subset!, score!, first!, second!),
    );
  }
  return found;
}

/**
 * Reads the files of the original releases as SentEval lays them out. Rows without a gold grade are
 * dropped; STS13's SMT part, which no published table counts, is left out.
 */
export async function readSentEvalFolder(
  task: StsTaskName,
  folder: string,
  signal?: AbortSignal,
): Promise<StsRows> {
  switch (task) {
    case 'stsb':
      return readStsBenchmark(folder, signal);
    case 'sickr':
      return readSick(folder, signal);
    default:
      return readYear(folder, signal);
  }
}

const inputName = /^STS(?:2016)?\.input\.(?:surprise\.)?(.+)\.txt$/;

async function readYear(folder: string, signal?: AbortSignal): Promise<StsRows> {
  const found = emptyRows();
  for (const [subset, path] of await inputFiles(folder)) {
    const pairs = await linesOf(path, signal);
    const grades = await linesOf(path.replace('.input.', '.gs.'), signal);
    if (grades.length !== pairs.length) {
      throw new SimgptError(
        'dataInvalid',
        `expected ${pairs.length} grades for ${path}, received ${grades.length}`,
      );
    }
    for (const [i, pair] of pairs.entries()) {
      const grade = grades[i]!.text ?? '';
      if (grade !== '') {
        addRow(found, path, pair, 2, false, ([first, second]) =>
          rowOf('test', subset, grade, first!, second!),
        );
      }
    }
  }
  return found;
}

/** [subset, path] of each input file; the task organisers keep them one folder further down. */
async function inputFiles(folder: string): Promise<[subset: string, path: string][]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw readFailure(folder, error);
  });
  const inner = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  for (const candidate of [folder, ...inner.map((name) => join(folder, name))]) {
    const names = (await readdir(candidate)).filter((name) => inputName.test(name)).sort();
    if (names.length > 0) {
      return names
        .map((name): [string, string] => [inputName.exec(name)![1]!, join(candidate, name)])
        .filter(([subset]) => subset !== 'SMT');
    }
  }
  throw new SimgptError('fileNotFound', `expected files STS.input.*.txt in ${folder}, found none`);
}

async function readStsBenchmark(folder: string, signal?: AbortSignal): Promise<StsRows> {
  const found = emptyRows();
  for (const split of ['train', 'dev', 'test']) {
    const path = join(folder, `sts-${split}.csv`);
    for (const line of await linesOf(path, signal)) {
      // genre, file, year, id, score, two sentences; some rows add licence columns.
      addRow(found, path, line, 7, false, (fields) =>
        rowOf(split, `${fields[0]}/${fields[1]}`, fields[4]!, fields[5]!, fields[6]!),
      );
    }
  }
  return found;
}

const sickFiles = [
  ['train', 'SICK_train.txt'],
  ['trial', 'SICK_trial.txt'],
  ['test', 'SICK_test_annotated.txt'],
] as const;

async function readSick(folder: string, signal?: AbortSignal): Promise<StsRows> {
  const found = emptyRows();
  for (const [split, name] of sickFiles) {
    const path = join(folder, name);
    for (const line of (await linesOf(path, signal)).slice(1)) {
      // pair_ID, two sentences, relatedness, entailment.
      addRow(found, path, line, 5, true, ([, first, second, score]) =>
        rowOf(split, 'SICK', score!, first!, second!),
      );
    }
  }
  return found;
}

async function linesOf(path: string, signal?: AbortSignal): Promise<Line[]> {
  const { chunks } = await openInput(path, signal);
  const lines: Line[] = [];
  for await (const line of readLines(chunks, { maxBytes: maxLineBytes })) {
    lines.push(line);
  }
  return lines;
}

interface RowProblem {
  readonly field: string;
  readonly reason: string;
}

function emptyRows(): StsRows {
  return { rows: [], badRows: [] };
}

/** Adds one line's row or its problem; `exact` refuses fields beyond `fieldCount`. */
function addRow(
  found: StsRows,
  file: string,
  line: Line,
  fieldCount: number,
  exact: boolean,
  parse: (fields: readonly string[]) => StsRow | RowProblem,
): void {
  const refuse = (field: string | null, reason: string): void => {
    found.badRows.push({ file, line: line.number, field, reason });
  };
  if (line.problem !== undefined) {
    refuse(null, line.problem);
    return;
  }
  const fields = line.text.split('\t');
  if (fields.length < fieldCount || (exact && fields.length > fieldCount)) {
    refuse(null, `expected ${fieldCount} fields between tabs, received ${fields.length}`);
    return;
  }
  const row = parse(fields);
  if ('reason' in row) {
    refuse(row.field, row.reason);
  } else {
    found.rows.push(row);
  }
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

function rowOf(
  split: string,
  subset: string,
  score: string,
  sentence1: string,
  sentence2: string,
): StsRow | RowProblem {
  const value = Number(score.trim());
  if (!decimal.test(score.trim()) || !Number.isFinite(value)) {
    const received = JSON.stringify(score.slice(0, 40));
    return { field: 'score', reason: `expected a number, received ${received}` };
  }
  const problem1 = textProblem(sentence1);
  const problem2 = textProblem(sentence2);
  if (problem1 !== null || problem2 !== null) {
    return {
      field: problem1 === null ? 'sentence2' : 'sentence1',
      reason: problem1 ?? problem2 ?? '',
    };
  }
  return { split, subset, score: value, sentence1, sentence2 };
}
