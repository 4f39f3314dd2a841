import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { SimgptError } from '../errors.js';
import type { BadRow } from '../files/quarantine.js';
import { readSentEvalFolder, readStsTable } from './sts_rows.js';
import type { StsRow, StsRows } from './sts_rows.js';
import { stsTaskNames, stsTasks } from './sts_tasks.js';
import type { StsProtocol, StsTaskName } from './sts_tasks.js';

/** The pairs of one task under one protocol, columns of equal length. */
export interface StsSet {
  readonly name: StsTaskName;
  readonly subsets: readonly string[];
  readonly gold: Float64Array;
  readonly left: readonly string[];
  readonly right: readonly string[];
  /** sha256 over the rows used, in order, as hex. */
  readonly fingerprint: string;
}

export interface StsData {
  readonly protocol: StsProtocol;
  readonly sets: readonly StsSet[];
  readonly badRows: readonly BadRow[];
  /** sha256 over the fingerprints of the sets, as hex. */
  readonly fingerprint: string;
}

export interface StsDataOptions {
  /** Folders with sts12.tsv ... sickr.tsv or the SentEval folders; the first that has a task wins. */
  readonly folders: readonly string[];
  readonly protocol: StsProtocol;
  /** Default all seven. */
  readonly tasks?: readonly StsTaskName[];
  readonly signal?: AbortSignal;
}

/**
 * Reads the STS test sets and keeps the rows that the protocol counts. Throws SimgptError
 * `fileNotFound` where no folder has a task, `dataInvalid` where a row count is not the published
 * one.
 */
export async function loadStsData({
  folders,
  protocol,
  tasks = stsTaskNames,
  signal,
}: StsDataOptions): Promise<StsData> {
  const sets: StsSet[] = [];
  const badRows: BadRow[] = [];
  for (const name of stsTaskNames.filter((task) => tasks.includes(task))) {
    const source = await findTask(name, folders);
    const found =
      source.kind === 'table'
        ? await readStsTable(source.path, signal)
        : await readSentEvalFolder(name, source.path, signal);
    sets.push(selectRows(name, protocol, found, source.path));
    badRows.push(...found.badRows);
  }
  const prints = sets.map((set) => `${set.name} ${set.fingerprint}\n`).join('');
  return { protocol, sets, badRows, fingerprint: sha256(prints) };
}

interface TaskSource {
  readonly kind: 'table' | 'sentEval';
  readonly path: string;
}

async function findTask(name: StsTaskName, folders: readonly string[]): Promise<TaskSource> {
  const { sentEvalFolder } = stsTasks[name];
  for (const folder of folders) {
    const table = join(folder, `${name}.tsv`);
    if (await exists(table)) {
      return { kind: 'table', path: table };
    }
    for (const root of ['', 'STS', 'downstream', 'downstream/STS', 'data/downstream/STS']) {
      for (const inner of name === 'sickr' ? ['', '..'] : ['']) {
        const path = join(folder, root, inner, sentEvalFolder);
        if (await exists(path)) {
          return { kind: 'sentEval', path };
        }
      }
    }
  }
  const where = folders.length > 0 ? folders.join(', ') : 'no folder';
  throw new SimgptError(
    'fileNotFound',
    `expected ${name}.tsv or SentEval's folder ${sentEvalFolder} in --data, found neither in ${where}`,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function selectRows(
  name: StsTaskName,
  protocol: StsProtocol,
  { rows, badRows }: StsRows,
  path: string,
): StsSet {
  const all = name === 'sickr' && protocol === 'mteb';
  const used = all ? rows : rows.filter((row) => row.split === 'test');
  const expected = stsTasks[name].pairs[protocol];
  if (used.length !== expected) {
    const splits = all ? '' : ' of split test';
    throw new SimgptError(
      'dataInvalid',
      `expected ${expected} pairs${splits} in ${path} for protocol ${protocol}, ` +
        `received ${used.length}${describeFirst(badRows)}`,
    );
  }
  const text = protocol === 'senteval' ? rejoinWords : (sentence: string) => sentence;
  const left = used.map((row) => text(row.sentence1));
  const right = used.map((row) => text(row.sentence2));
  return {
    name,
    subsets: used.map((row) => row.subset),
    gold: Float64Array.from(used, (row) => row.score),
    left,
    right,
    fingerprint: fingerprintOf(used, left, right),
  };
}

function describeFirst(badRows: readonly BadRow[]): string {
  const [first] = badRows;
  return first === undefined
    ? ''
    : `; ${badRows.length} bad rows, the first on line ${first.line} of ${first.file}: ${first.reason}`;
}

// What Python's str.split() splits on, which is not what \s matches here.
const pythonSpace =
  // oxlint-disable-next-line no-control-regex -- four control characters are white space to Python
  /[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

function rejoinWords(sentence: string): string {
  return sentence
    .split(pythonSpace)
    .filter((word) => word !== '')
    .join(' ');
}

// Fields cannot hold a tab or a line feed, so the lines are unambiguous.
function fingerprintOf(
  rows: readonly StsRow[],
  left: readonly string[],
  right: readonly string[],
): string {
  const lines = rows.map((row, i) => `${row.subset}\t${row.score}\t${left[i]}\t${right[i]}\n`);
  return sha256(lines.join(''));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
