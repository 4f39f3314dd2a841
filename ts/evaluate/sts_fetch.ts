import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { makeFolder } from '../files/folder.js';
import { readCsvRecords } from '../dataset/csv_records.js';
import { splitJsonObject } from '../dataset/json_record.js';
import { readLines } from '../dataset/lines.js';
import { openSnapshot } from '../encoder/hub_download.js';
import { readHubSettings } from '../encoder/hub_settings.js';
import { SimgptError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { stsTableHeader } from './sts_rows.js';
import { stsTaskNames, stsTasks } from './sts_tasks.js';
import type { StsTaskName } from './sts_tasks.js';

/** Where each set is published: the data sets and commits that the `mteb` package pins. */
const hubSets: Readonly<Record<StsTaskName, readonly [name: string, commit: string]>> = {
  sts12: ['mteb/sts12-sts', 'a0d554a64d88156834ff5ae9920b964011b16384'],
  sts13: ['mteb/sts13-sts', '7e90230a92c190f1bf69ae9002b8cea547a64cca'],
  sts14: ['mteb/sts14-sts', '6031580fec1f6af667f0bd2da0a551cf4f0b2375'],
  sts15: ['mteb/sts15-sts', 'ae752c7c21bf194d8b67fd573edf7ae58183cbe3'],
  sts16: ['mteb/sts16-sts', '4d8694f8f0e0100860b497b999b3dbed754a0513'],
  stsb: ['mteb/stsbenchmark-sts', 'b0fddb56ed78048fa8b90373c8a3cfc37b684831'],
  sickr: ['mteb/sickr-sts', '20a6d6f312dd54037fe07a32d58e5e168867909d'],
};

/** In the order of preference; none of the sets is larger than 2 MB. */
const fileNames = ['test.jsonl.gz', 'test.jsonl', 'test.csv'];
const maxBytes = 64 * 2 ** 20;

/** What became of one set. */
export interface FetchedSet {
  readonly name: StsTaskName;
  readonly path: string;
  /** False where a file of that name was there and was left alone. */
  readonly fetched: boolean;
  /** Sentences in which a tab or line end became a space: our form cannot hold them. */
  readonly flattened: number;
}

export interface FetchStsOptions {
  readonly tasks?: readonly StsTaskName[];
  readonly signal?: AbortSignal;
}

/**
 * Fetches the seven test sets from the hub, through its cache and checked by hash, and writes them
 * to `folder` as sts12.tsv ... sickr.tsv; files already there are kept. SICK-R comes without its
 * splits, so it serves the protocol `mteb` alone. Throws SimgptError `offline`, `downloadFailed`,
 * or `dataInvalid` where the content is not what was published.
 */
export async function* fetchStsData(
  folder: string,
  { tasks = stsTaskNames, signal }: FetchStsOptions = {},
): AsyncGenerator<FetchedSet> {
  await makeFolder(folder);
  for (const name of tasks) {
    const path = join(folder, `${name}.tsv`);
    if (await stat(path).catch(() => undefined)) {
      yield { name, path, fetched: false, flattened: 0 };
      continue;
    }
    const { table, flattened } = await fetchTable(name, signal);
    await writeFileAtomic(path, table);
    yield { name, path, fetched: true, flattened };
  }
}

async function fetchTable(name: StsTaskName, signal: AbortSignal | undefined) {
  const [repo, commit] = hubSets[name];
  const snapshot = await openSnapshot(readHubSettings(), { type: 'dataset', name: repo }, commit, {
    signal,
  });
  const file = fileNames.find((candidate) => snapshot.names.has(candidate));
  if (file === undefined) {
    throw new SimgptError(
      'dataInvalid',
      `expected ${fileNames.join(', ')} in ${repo}@${commit}, received ${[...snapshot.names].join(', ')}`,
    );
  }
  await snapshot.fetch(file);
  const rows = await parseRows(file, await readFile(join(snapshot.dir, file)), repo);
  const expected = stsTasks[name].pairs.mteb;
  if (rows.length !== expected) {
    throw new SimgptError(
      'dataInvalid',
      `expected ${expected} pairs in ${repo}/${file}, received ${rows.length}`,
    );
  }
  return toTable(rows, name);
}

interface HubRow {
  readonly score: number;
  readonly sentence1: string;
  readonly sentence2: string;
}

async function parseRows(file: string, bytes: Buffer, repo: string): Promise<HubRow[]> {
  const content = file.endsWith('.gz') ? unzip(bytes, `${repo}/${file}`) : bytes;
  const chunks = (async function* () {
    yield content;
  })();
  const rows: HubRow[] = [];
  const records = file.endsWith('.csv') ? csvObjects(chunks) : jsonObjects(chunks);
  for await (const { line, record } of records) {
    const row = hubRow(record);
    if (row === undefined) {
      throw new SimgptError(
        'dataInvalid',
        `expected sentence1, sentence2 and a score on line ${line} of ${repo}/${file}`,
      );
    }
    rows.push(row);
  }
  return rows;
}

function unzip(bytes: Buffer, name: string): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    throw new SimgptError('dataInvalid', `${name}: expected gzip of at most ${maxBytes} bytes`, {
      cause: error,
    });
  }
}

interface HubRecord {
  readonly line: number;
  /** Undefined where the line is no record. */
  readonly record: ReadonlyMap<string, unknown> | undefined;
}

async function* jsonObjects(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<HubRecord> {
  for await (const { number, text } of readLines(chunks, { maxBytes })) {
    const members = text === undefined ? '' : splitJsonObject(text);
    yield {
      line: number,
      record:
        typeof members === 'string'
          ? undefined
          : new Map(Array.from(members, ([key, json]) => [key, JSON.parse(json) as unknown])),
    };
  }
}

async function* csvObjects(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<HubRecord> {
  let header: readonly string[] | undefined;
  for await (const { line, fields } of readCsvRecords(chunks, { maxBytes })) {
    const cells = fields?.map((field) => Buffer.from(field).toString('utf8'));
    if (header === undefined) {
      header = cells ?? [];
    } else {
      const names = header;
      const pairs = cells?.map((cell, i): [string, unknown] => [
        names[i] ?? '',
        names[i] === 'score' ? Number(cell || 'none') : cell,
      ]);
      yield { line, record: pairs && new Map(pairs) };
    }
  }
}

function hubRow(record: HubRecord['record']): HubRow | undefined {
  const [score, sentence1, sentence2] = ['score', 'sentence1', 'sentence2'].map((key) =>
    record?.get(key),
  );
  return typeof score === 'number' &&
    Number.isFinite(score) &&
    typeof sentence1 === 'string' &&
    typeof sentence2 === 'string'
    ? { score, sentence1, sentence2 }
    : undefined;
}

function toTable(rows: readonly HubRow[], name: StsTaskName) {
  let flattened = 0;
  const flat = (sentence: string): string => {
    const line = sentence.replace(/[\t\r\n]+/g, ' ');
    flattened += line === sentence ? 0 : 1;
    return line;
  };
  const lines = rows.map(
    ({ score, sentence1, sentence2 }) =>
      `test\t${name}\t${score}\t${flat(sentence1)}\t${flat(sentence2)}\n`,
  );
  return { table: `${stsTableHeader}\n${lines.join('')}`, flattened };
}
