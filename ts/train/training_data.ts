import { basename } from 'node:path';

import type { WeightedSource } from '../dataset/batches.js';
import { readExamples } from '../dataset/examples.js';
import type { ReadExamplesOptions } from '../dataset/examples.js';
import type { TrainingExample } from '../dataset/training_example.js';
import { SimgptError } from '../errors.js';
import { withoutUndefined } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import type { BadRow } from '../files/quarantine.js';
import { fingerprintFile } from '../dataset/input.js';
import type { FileFingerprint } from './checkpoints.js';
import type { Settings } from './recipe_schema.js';

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
  readonly data: Settings['data'];
  /** Leave a row out whose texts an earlier one has. Default: count it. */
  readonly dedupe?: boolean | undefined;
  /** Throw at the first bad row. */
  readonly strict?: boolean | undefined;
  /** Whether a row is to be left out for another reason. */
  readonly excludes?: ((example: TrainingExample) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the files into memory and brings rows into the recipe's shape. Throws SimgptError
 * `dataInvalid` where nothing is left, and what reading a file throws.
 */
export async function readTrainingData(options: ReadTrainingDataOptions): Promise<TrainingData> {
  const seen = new Set<string>();
  const badRows: BadRow[] = [];
  const sources: WeightedSource[] = [];
  const files: DataFile[] = [];
  const counts = { read: 0, used: 0, duplicates: 0, dropped: 0 };
  for (const { path, weight = 1, ...reading } of options.files) {
    const before = counts.read;
    const { signal } = options;
    const examples: TrainingExample[] = [];
    const shape = shapeOf(options.data);
    for await (const row of readExamples(path, { ...reading, signal })) {
      counts.read += 1;
      const shaped = row.problem === undefined ? shape(row) : row;
      if (shaped.problem !== undefined) {
        const { line, field, problem } = shaped;
        if (options.strict === true) {
          throw new SimgptError('dataInvalid', `${path}, line ${line}: ${problem}`);
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
    sources.push({ examples: options.data === 'texts' ? paired(examples) : examples, weight });
    const rows = counts.read - before;
    const fingerprint = await fingerprintFile(path, signal);
    files.push({ name: basename(path), weight, rows, ...fingerprint, ...statedReading(reading) });
  }
  if (counts.used === 0) {
    const names = files.map(({ name }) => name).join(', ');
    const [bad] = badRows;
    const why = bad === undefined ? '' : `; line ${bad.line} of ${bad.file}: ${bad.reason}`;
    throw new SimgptError('dataInvalid', `expected rows to train on in ${names}, found none${why}`);
  }
  return { sources, badRows, files, counts: { ...counts, bad: badRows.length } };
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

type Shape = (
  example: TrainingExample,
) => TrainingExample | { readonly line: number; readonly field: string; readonly problem: string };

function shapeOf(data: Settings['data']): Shape {
  // Anchor and positive are one text under two dropout masks; other columns are not read.
  if (data === 'sentences') {
    return (example) => ({ ...example, positive: example.anchor, hardNegatives: [] });
  }
  if (data !== 'triples') return (example) => example;
  return (example) => {
    if (example.hardNegatives.length > 0) return example;
    const problem = `expected a hard negative, as the recipe's triples have, received none`;
    return { line: example.line, field: 'hardNegatives', problem };
  };
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
    const positive = list[i + 1]?.[0] ?? anchor;
    return [{ ...example, id: `${i / 2}`, anchor, positive, hardNegatives: [] }];
  });
}

function isDuplicate(example: TrainingExample, seen: Set<string>): boolean {
  const { anchor, positive, hardNegatives } = example;
  const key = JSON.stringify([anchor, positive, ...hardNegatives]);
  if (seen.has(key)) return true;
  seen.add(key);
  return false;
}
