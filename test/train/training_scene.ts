import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { exportCheckpoint } from '#dist/encoder/export.js';
import type { OpenModel } from '#dist/train/trainable.js';
import type { TrainOptions } from '#dist/train/train.js';
import { goldenModel } from '../cli/golden_model.js';
import { writeRandomModel } from '../encoder/random_model.js';
import { temporaryFolder } from '../temporary_folder.js';
import { linearModel } from './linear_model.js';

/** Steps of the linear model; what it exports is a real folder, which the end of a run scores. */
export const openLinear: OpenModel = ({ checkpoint, seed }) => {
  const model = linearModel(seed);
  let disposed = false;
  return Promise.resolve({
    ...model,
    accumulate: (batch) => {
      if (disposed) throw new Error('expected a live model, received a disposed one');
      return model.accumulate(batch);
    },
    exportModel: (folder) => exportCheckpoint(checkpoint, folder),
    [Symbol.asyncDispose]: () => {
      disposed = true;
      return Promise.resolve();
    },
  });
};

export interface TrainingScene {
  readonly options: TrainOptions;
  readonly data: string;
  readonly output: string;
  readonly dev: string;
}

// Words of the golden vocabulary: others would all be one unknown token.
const words = ['man', 'woman', 'women', 'play', 'game', 'long', 'text', 'word', 'cafe', 'naive'];
const numbers = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** Thirty triples and twenty graded pairs: twelve steps, four looks at the dev set. */
export async function trainingScene(context: TestContext): Promise<TrainingScene> {
  return writeTrainingScene(await temporaryFolder(context));
}

export async function writeTrainingScene(folder: string): Promise<TrainingScene> {
  const data = join(folder, 'triples.tsv');
  const rows = Array.from({ length: 30 }, (_, i) => {
    const word = (shift: number): string => words[(i * 3 + shift) % words.length]!;
    const number = `${numbers[i % 10]!} ${numbers[(i + Math.floor(i / 10)) % 10]!}`;
    return `a ${word(0)} ${number}\tthe ${word(0)} ${number}\tno ${word(1)} ${number}`;
  });
  await writeFile(data, `sent0\tsent1\thard_neg\n${rows.join('\n')}\n`);
  const dev = join(folder, 'stsb.tsv');
  const pairs = Array.from(
    { length: 20 },
    (_, i) =>
      `dev\tx\t${i % 6}\ta ${words[i % 10]} plays ${numbers[(3 * i) % 10]}\tthe ${words[(i * i) % 10]}`,
  );
  const others = ['test\tx\t1\ta test row\tanother', 'train\tx\t1\ta row\tanother'];
  const header = 'split\tsubset\tscore\tsentence1\tsentence2';
  await writeFile(dev, `${[header, ...others, ...pairs].join('\n')}\n`);
  const output = join(folder, 'run');
  const settings = { batchSize: 8, evaluateEvery: 5, pooling: 'mean', epochs: 3 } as const;
  const options = { recipe: 'simcse-sup', model: goldenModel, data, dev: folder, output, settings };
  return { options, data, output, dev };
}

/** A BERT of two small layers with seeded weights; the same seed gives the same model. */
export async function randomModel(folder: string, seed = 7): Promise<string> {
  const model = join(folder, 'random-bert');
  await mkdir(model);
  const sizes = { hidden: 16, layers: 2, heads: 2, intermediate: 32, positions: 40 };
  await writeRandomModel(model, seed, sizes);
  return model;
}

/** The command that trains the random BERT on the scene in a folder, by output. */
export async function tinyTraining(folder: string): Promise<
  TrainingScene & {
    readonly model: string;
    readonly to: (output: string) => readonly string[];
  }
> {
  const scene = await writeTrainingScene(folder);
  const model = await randomModel(folder);
  const inputs = { model, data: scene.data, dev: scene.dev, threads: 1 };
  const sizes = { 'batch-size': 8, epochs: 3, 'learning-rate': 0.001 };
  const every = { 'eval-every': 5, 'checkpoint-every': 2 };
  const flags = Object.entries({ ...inputs, ...sizes, ...every }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  return { ...scene, model, to: (output) => ['train', 'simcse-sup', ...flags, '--output', output] };
}
