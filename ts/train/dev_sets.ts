import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { SimgptError } from '../errors.js';
import { distinctRows, encodeTexts } from '../evaluate/encode_texts.js';
import { cosineOfRows, finiteScore, spearman } from '../evaluate/metrics.js';
import { readStsTable } from '../evaluate/sts_rows.js';
import { readFailure } from '../dataset/input.js';
import type { SentenceEncoder } from '../encoder/sentence_encoder.js';
import type { SelectionSet } from './recipe_schema.js';
import type { Evaluate } from './trainable.js';

/** Graded pairs that a checkpoint may be chosen by. */
export interface DevSet {
  readonly name: string;
  /** The file it was read from. */
  readonly path: string;
  readonly gold: Float64Array;
  readonly left: readonly string[];
  readonly right: readonly string[];
}

const selectionFiles: Readonly<Record<SelectionSet, readonly [file: string, split: string]>> = {
  'stsb-dev': ['stsb.tsv', 'dev'],
  'sickr-trial': ['sickr.tsv', 'trial'],
};

/** Splits that are made for choosing; a test split is never read here (D14). */
const devSplits = new Set(['dev', 'trial', 'validation']);

/**
 * The dev sets of a folder by the recipe's names, or the dev rows of one file (header `split subset
 * score sentence1 sentence2`, tabs). Throws SimgptError `fileNotFound`, `dataInvalid`.
 */
export async function readDevSets(
  path: string,
  selection: readonly SelectionSet[],
  signal?: AbortSignal,
): Promise<readonly DevSet[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw readFailure(path, error);
  });
  if (!found.isDirectory()) {
    return [await readDevSet(basename(path).replace(/\.[^.]*$/, ''), path, devSplits, signal)];
  }
  const sets: DevSet[] = [];
  for (const name of selection) {
    const [file, split] = selectionFiles[name];
    sets.push(await readDevSet(name, join(path, file), new Set([split]), signal));
  }
  return sets;
}

async function readDevSet(
  name: string,
  path: string,
  splits: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<DevSet> {
  const { rows, badRows } = await readStsTable(path, signal);
  const used = rows.filter(({ split }) => splits.has(split));
  const [bad] = badRows;
  if (bad !== undefined) {
    throw new SimgptError('dataInvalid', `${path}, line ${bad.line}: ${bad.reason}`);
  }
  if (used.length < 2) {
    throw new SimgptError(
      'dataInvalid',
      `expected at least 2 rows of split ${[...splits].join(' or ')} in ${path}, received ` +
        `${used.length}; models are never chosen by a test split`,
    );
  }
  return {
    name,
    path,
    gold: Float64Array.from(used, ({ score }) => score),
    left: used.map(({ sentence1 }) => sentence1),
    right: used.map(({ sentence2 }) => sentence2),
  };
}

/** What an encoder makes of a dev set. */
export interface DevScore {
  readonly name: string;
  readonly spearman: number;
  /** [pairs] */
  readonly similarities: Float64Array;
}

interface DevScores {
  readonly sets: readonly DevScore[];
  readonly alignment: number | null;
  readonly uniformity: number | null;
}

/** Encodes each distinct text once and scores every set by cosine and Spearman (METHODS 11.1). */
export async function scoreDevSets(
  encoder: SentenceEncoder,
  sets: readonly DevSet[],
  signal?: AbortSignal,
): Promise<DevScores> {
  const rowOf = distinctRows(sets.flatMap(({ left, right }) => [left, right]));
  const options = { normalize: true, ...(signal === undefined ? {} : { signal }) };
  const { embeddings, dimensions } = await encodeTexts(encoder, [...rowOf.keys()], options);
  const rows = (texts: readonly string[]) => Uint32Array.from(texts, (text) => rowOf.get(text)!);
  const scores = sets.map(({ name, gold, left, right }) => {
    const similarities = cosineOfRows(embeddings, dimensions, rows(left), rows(right));
    return { name, spearman: finiteScore(spearman(gold, similarities)).value, similarities };
  });
  return {
    sets: scores,
    alignment: alignmentOf(sets, scores),
    uniformity: uniformityOf(embeddings, dimensions),
  };
}

/** How the loop looks at a model: the mean Spearman of the sets chooses. */
export function evaluateOn(sets: readonly DevSet[]): Evaluate {
  return async (model, signal) => {
    const found = await scoreDevSets(model, sets, signal);
    const scores = Object.fromEntries(found.sets.map(({ name, spearman: rho }) => [name, rho]));
    const score = found.sets.reduce((sum, set) => sum + set.spearman / found.sets.length, 0);
    return { scores, score, alignment: found.alignment, uniformity: found.uniformity };
  };
}

/**
 * Wang & Isola 2020, as SimCSE draws it: the mean squared distance of unit vectors over pairs graded
 * in the top fifth of the scale (4 and more of 5); |x − y|² = 2 − 2 cos. Null without such pairs.
 */
function alignmentOf(sets: readonly DevSet[], scores: readonly DevScore[]): number | null {
  let sum = 0;
  let pairs = 0;
  for (const [index, { gold }] of sets.entries()) {
    const least = 0.8 * gold.reduce((most, grade) => Math.max(most, grade), 0);
    for (const [row, grade] of gold.entries()) {
      if (grade >= least) {
        sum += 2 - 2 * scores[index]!.similarities[row]!;
        pairs += 1;
      }
    }
  }
  return pairs === 0 ? null : finiteOrNull(sum / pairs);
}

/** Texts that uniformity is taken over: its cost is quadratic. */
const uniformityTexts = 512;

/** Wang & Isola 2020: log of the mean of exp(−2 |x − y|²) over pairs of unit vectors. */
function uniformityOf(embeddings: Float32Array, dimensions: number): number | null {
  const total = embeddings.length / dimensions;
  const rows = Array.from({ length: Math.min(total, uniformityTexts) }, (_, i) =>
    Math.floor((i * total) / Math.min(total, uniformityTexts)),
  );
  const left: number[] = [];
  const right: number[] = [];
  for (const [place, row] of rows.entries()) {
    for (const other of rows.slice(place + 1)) {
      left.push(row);
      right.push(other);
    }
  }
  if (left.length === 0) return null;
  const cosines = cosineOfRows(
    embeddings,
    dimensions,
    Uint32Array.from(left),
    Uint32Array.from(right),
  );
  const mean = cosines.reduce((sum, cosine) => sum + Math.exp(-4 + 4 * cosine), 0) / left.length;
  return finiteOrNull(Math.log(mean));
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value + 0 : null;
}
