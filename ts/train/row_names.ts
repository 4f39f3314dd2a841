import { basename } from 'node:path';

import type { Batches, TrainingBatch } from '../dataset/batches.js';
import type { TrainingExample } from '../dataset/training_example.js';
import type { Settings } from './recipe_schema.js';
import type { TrainingData, TrainingFile } from './training_data.js';

/**
 * The batches of several files, their examples named by file and line: an id is one file's own, and
 * a row without one has its number there. One file's keep their ids. Neither the order nor what
 * dropout counts by is touched.
 */
export function namedByFile(
  batches: Batches,
  files: readonly TrainingFile[],
  { sources }: Pick<TrainingData, 'sources'>,
  data: Settings['data'],
): Batches {
  if (files.length < 2) return batches;
  const names = shortNames(files.map(({ path }) => path));
  const ends = sources.map(() => 0);
  let total = 0;
  for (const [place, { examples }] of sources.entries()) ends[place] = total += examples.length;
  const nameOf = ({ id, line }: TrainingExample, exampleId: number): string => {
    const file = names[ends.findIndex((end) => exampleId < end)]!;
    // Its two texts may be of two rows, which its id names.
    return data === 'texts' ? `${file} id ${id}` : `${file} line ${line}`;
  };
  return { ...batches, batchAt: (step) => renamed(batches.batchAt(step), nameOf) };
}

function renamed(
  batch: TrainingBatch,
  nameOf: (example: TrainingExample, exampleId: number) => string,
): TrainingBatch {
  const examples = batch.examples.map((example, i) => ({
    ...example,
    id: nameOf(example, batch.exampleIds[i]!),
  }));
  return { ...batch, examples };
}

/** Names without their folders, where these are not needed to tell them apart. */
function shortNames(paths: readonly string[]): readonly string[] {
  const short = paths.map((path) => basename(path));
  return short.map((name, i) =>
    short.filter((other) => other === name).length > 1 ? paths[i]! : name,
  );
}
