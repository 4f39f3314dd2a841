import { basename } from 'node:path';
import { getHeapStatistics } from 'node:v8';

import type { WeightedSource } from '../dataset/batches.js';
import { readExamples } from '../dataset/examples.js';
import type { ReadExamplesOptions } from '../dataset/examples.js';
import type { TrainingExample } from '../dataset/training_example.js';
import { SimgptError } from '../errors.js';
import { withoutUndefined } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import { createDigestSet } from '../files/digest_map.js';
import type { DigestSet } from '../files/digest_map.js';
import type { BadRow } from '../files/quarantine.js';
import { fingerprintFile } from '../dataset/input.js';
import type { FileFingerprint } from './checkpoints.js';
import { rowShapeOf } from './row_shape.js';
import type { RowSettings } from './row_shape.js';

/** One file of training data. */
export interface TrainingFile extends Omit<ReadExamplesOptions, 'signal' | 'keepRecords'> {
  readonly path: string;
  /** How often an epoch holds its rows. Default 1. */
  readonly weight?: number | undefined;
}

export interface TrainingData {
  readonly sources: readonly WeightedSource[];
  readonly badRows: readonly BadRow[];
  readonly counts: DataCounts;
  /** What a resumed run must find again. */
  readonly files: readonly DataFile[];
}

/** `read` = `used` + `bad` + `dropped`. */
export interface DataCounts {
  /** Records of the files. */
  readonly read: number;
  /** Records that are trained on. */
  readonly used: number;
  /** Records that could not be used: the quarantine file names each. */
  readonly bad: number;
  /** Records whose texts an earlier one has. */
  readonly duplicates: number;
  /** Duplicates and overlaps that were left out because the caller asked for it. */
  readonly dropped: number;
}

export interface DataFile extends FileFingerprint {
  readonly name: string;
  readonly weight: number;
  readonly rows: number;
  /** How its rows were read, where that was said. */
  readonly reading?: { readonly [option: string]: JsonValue } | undefined;
}

export interface ReadTrainingDataOptions {
  readonly files: readonly TrainingFile[];
  /** What decides the shape of a row: a row without what the losses read is a bad one. */
  readonly settings: RowSettings;
  /** Leave a row out whose texts an earlier one has. Default: count it. */
  readonly dedupe?: boolean | undefined;
  /** Throw at the first bad row. */
  readonly strict?: boolean | undefined;
  /** Whether a row is to be left out for another reason. */
  readonly excludes?: ((example: TrainingExample) => boolean) | undefined;
  /** Told every 10,000 records how many there were. */
  readonly onRecords?: ((records: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the files into memory and brings rows into the recipe's shape. Throws SimgptError
 * `dataInvalid` where nothing is left, `outOfMemory` where they are more than Node's heap holds, and
 * what reading a file throws.
 */
export async function readTrainingData(options: ReadTrainingDataOptions): Promise<TrainingData> {
  const { data } = options.settings;
  const shape = rowShapeOf(options.settings);
  const seen = createDigestSet();
  const badRows: BadRow[] = [];
  const sources: WeightedSource[] = [];
  const files: DataFile[] = [];
  const counts = { read: 0, used: 0, duplicates: 0, dropped: 0 };
  for (const { path, weight = 1, ...reading } of options.files) {
    const before = counts.read;
    const { signal } = options;
    const examples: TrainingExample[] = [];
    for await (const row of readExamples(path, { ...reading, signal })) {
      counts.read += 1;
      if (counts.read % 1000 === 0) expectRoom(path, counts.read);
      if (counts.read % 10_000 === 0) options.onRecords?.(counts.read);
      const shaped = row.problem === undefined ? shape(row) : row;
      if (shaped.problem !== undefined) {
        const { line, field, problem } = shaped;
        if (options.strict === true) {
          const bad = { file: path, line, field, reason: problem };
          throw new SimgptError('dataInvalid', sentenceOf(bad));
        }
        badRows.push({ file: path, line, field, reason: problem });
        continue;
      }
      const duplicate = isDuplicate(shaped, seen);
      if (duplicate) counts.duplicates += 1;
      if ((duplicate && options.dedupe === true) || options.excludes?.(shaped) === true) {
        counts.dropped += 1;
      } else {
        examples.push(shaped);
      }
    }
    counts.used += examples.length;
    sources.push({ examples: data === 'texts' ? paired(examples) : examples, weight });
    const rows = counts.read - before;
    const fingerprint = await fingerprintFile(path, signal);
    files.push({ name: basename(path), weight, rows, ...fingerprint, ...statedReading(reading) });
  }
  if (counts.used === 0) {
    const names = files.map(({ name }) => name).join(', ');
    const [bad] = badRows;
    const why = bad === undefined ? '' : `; ${sentenceOf(bad)}`;
    throw new SimgptError('dataInvalid', `expected rows to train on in ${names}, found none${why}`);
  }
  return { sources, badRows, files, counts: { ...counts, bad: badRows.length } };
}

function sentenceOf({ file, line, field, reason }: BadRow): string {
  return `${file}, line ${line}${field === null ? '' : `, field ${field}`}: ${reason}`;
}

/** Other columns make other examples of the same bytes, so that a run is a function of them too. */
function statedReading({
  columns = {},
  ...others
}: Omit<ReadExamplesOptions, 'signal' | 'keepRecords'>): Pick<DataFile, 'reading'> {
  const named = Object.values(columns).some((name) => name !== undefined);
  const all = withoutUndefined({ ...others, ...(named ? { columns } : {}) });
  const reading = all as Exclude<DataFile['reading'], undefined>;
  return Object.keys(reading).length === 0 ? {} : { reading };
}

/** Two texts an example, each text once: what learns from a teacher asks nothing of their meaning. */
function paired(examples: readonly TrainingExample[]): readonly TrainingExample[] {
  const texts = new Map<string, TrainingExample>();
  for (const example of examples) {
    for (const text of [example.anchor, example.positive, ...example.hardNegatives]) {
      if (!texts.has(text)) texts.set(text, example);
    }
  }
  const list = [...texts];
  return list.flatMap(([anchor, example], i) => {
    if (i % 2 === 1) return [];
    const [positive, other] = list[i + 1] ?? [anchor, example];
    const id = other.id === example.id ? example.id : `${example.id}+${other.id}`;
    return [{ ...example, id, anchor, positive, hardNegatives: [] }];
  });
}

function isDuplicate(example: TrainingExample, seen: DigestSet): boolean {
  const { anchor, positive, hardNegatives } = example;
  return !seen.add(JSON.stringify([anchor, positive, ...hardNegatives]));
}

/** What V8 counts into its limit beside the space of what lives long: three half-spaces of 16 MB. */
const youngBytes = 48 * 2 ** 20;

/** Beyond its limit the engine ends the process without a word of ours. */
function expectRoom(path: string, records: number): void {
  const { used_heap_size: used, heap_size_limit: whole } = getHeapStatistics();
  const limit = whole - youngBytes;
  if (used < 0.85 * limit) return;
  const megabytes = Math.round(limit / 2 ** 20);
  throw new SimgptError(
    'outOfMemory',
    `expected training data that fit Node's heap of ${megabytes} MB, it was full at record ` +
      `${records} (${path}): raise it by NODE_OPTIONS=--max-old-space-size=${4 * megabytes}, ` +
      'or train on a sample (simgpt data sample)',
  );
}
