import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { Encoder } from '#dist/encoder/encoder.js';
import type { LossSettings } from '#dist/train/loss_schema.js';
import type { Settings } from '#dist/train/recipe_schema.js';
import { train } from '#dist/train/train.js';
import { temporaryFolder } from '../temporary_folder.js';
import { randomModel } from './training_scene.js';

const rows = [
  ['a man plays', 'the woman plays', 'one game', 0.9, 0.1],
  ['two games', 'the long text', 'a word', -0.4, 0.7],
  ['a cafe', 'the naive women', 'ten texts', 0.3, -0.8],
] as const;

type Row = Readonly<Record<string, unknown>>;

const scored: readonly Row[] = rows.map(([anchor, positive, negative, ...scores]) => {
  const [positiveScore, negativeScore] = scores;
  return { anchor, positive, hardNegatives: [negative], positiveScore, negativeScore };
});

async function scene(context: TestContext) {
  const folder = await temporaryFolder(context);
  const model = await randomModel(folder);
  let files = 0;
  const options = async (loss: LossSettings, data: readonly Row[]) => {
    const path = join(folder, `${files++}.jsonl`);
    await writeFile(path, data.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const settings: Partial<Settings> = {
      losses: [loss],
      data: 'pairs',
      pooling: 'mean',
      head: { train: 'none', test: 'none' },
      dropout: { hidden: 0, attention: 0 },
      schedule: { kind: 'constant', warmupSteps: 0 },
      batchSize: 3,
      epochs: 60,
      learningRate: 3e-3,
    };
    const output = `${path}-run`;
    return { recipe: 'simcse-sup', model, data: path, output, settings, threads: 1 } as const;
  };
  return { model, options };
}

/** Cosines of each row's anchor with its positive and its hard negative. */
async function cosinesBy(model: string): Promise<readonly (readonly number[])[]> {
  await using encoder = await Encoder.load(model, { pooling: 'mean', precision: 'float32' });
  const texts = rows.flatMap((row) => row.slice(0, 3) as string[]);
  const { embeddings, shape } = await encoder.embed(texts, { normalize: true });
  const dot = (i: number, j: number): number => {
    let sum = 0;
    for (let k = 0; k < shape[1]; k++) {
      sum += embeddings[i * shape[1] + k]! * embeddings[j * shape[1] + k]!;
    }
    return sum;
  };
  return rows.map((_, i) => [dot(3 * i, 3 * i + 1), dot(3 * i, 3 * i + 2)]);
}

async function lossesOf({ output }: { readonly output: string }): Promise<readonly number[]> {
  const lines = (await readFile(join(output, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

test('scores of a file are learned as cosines, from the loss of the formula on', async (context) => {
  const { model, options } = await scene(context);
  const run = await options({ kind: 'distillation', target: 'scores', objective: 'mse' }, scored);
  await train(run);
  const losses = await lossesOf(run);
  const before = await cosinesBy(model);
  const expected = sum(
    rows.map((row, i) => (before[i]![0]! - row[3]) ** 2 + (before[i]![1]! - row[4]) ** 2),
  );
  assert.ok(Math.abs(losses[0]! - expected / 6) < 1e-5, `${losses[0]}, ${expected / 6}`);
  assert.ok(losses.at(-1)! < 0.1 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
  const after = await cosinesBy(join(run.output, 'model'));
  for (const [i, row] of rows.entries()) {
    assert.equal(after[i]![0]! > after[i]![1]!, row[3] > row[4], `row ${i}`);
  }
});

test('under kl the scores of a row are compared with each other, on any scale', async (context) => {
  const { model, options } = await scene(context);
  const temperatures = { temperature: 0.5, teacherTemperature: 2 };
  const graded = scored.map((row, i) => ({
    ...row,
    positiveScore: 5 - i,
    negativeScore: i,
  }));
  const run = await options(
    { kind: 'distillation', target: 'scores', objective: 'kl', ...temperatures },
    graded,
  );
  await train({ ...run, maxSteps: 1 });
  const softmax = (values: readonly number[], temperature: number): readonly number[] => {
    const powers = values.map((value) => Math.exp(value / temperature));
    return powers.map((power) => power / sum(powers));
  };
  const expected = (await cosinesBy(model)).map((cosines, i) => {
    const student = softmax(cosines, 0.5);
    return sum(softmax([5 - i, i], 2).map((t, k) => t * Math.log(t / student[k]!)));
  });
  const [loss] = await lossesOf(run);
  assert.ok(Math.abs(loss! - sum(expected) / 3) < 1e-5, `${loss}, ${sum(expected) / 3}`);
});

test('a row without what the losses read is a bad row: file, line and field', async (context) => {
  const { options } = await scene(context);
  const without = (name: string): readonly Row[] => [
    scored[0]!,
    Object.fromEntries(Object.entries(scored[1]!).filter(([field]) => field !== name)),
    scored[2]!,
  ];
  const mse = { kind: 'distillation', target: 'scores' } as const;
  const kl = { ...mse, objective: 'kl' } as const;
  const wide = [scored[0]!, { ...scored[1]!, negativeScore: 4 }, scored[2]!];
  for (const [loss, data, field, reason] of [
    [
      mse,
      without('positiveScore'),
      'positiveScore',
      'expected positiveScore, which the loss learns, received none',
    ],
    [
      mse,
      without('negativeScore'),
      'negativeScore',
      'expected negativeScore, which the loss learns, received none',
    ],
    [
      kl,
      without('negativeScore'),
      'negativeScore',
      'expected negativeScore, which the loss learns, received none',
    ],
    [
      kl,
      without('hardNegatives'),
      'hardNegatives',
      'expected a hard negative, as scores under kl need, received none',
    ],
    [
      mse,
      wide,
      'negativeScore',
      'expected negativeScore from -1 to 1, as the cosine that learns it, received 4',
    ],
    [
      { kind: 'coSent' },
      without('positiveScore'),
      'positiveScore',
      'expected positiveScore, which the loss learns, received none',
    ],
  ] as const) {
    const run = { ...(await options(loss, data)), maxSteps: 1 };
    const { data: counts } = await train(run);
    assert.equal(counts.bad, 1);
    const [line] = (await readFile(join(run.output, 'data.quarantine.jsonl'), 'utf8')).split('\n');
    assert.deepEqual(JSON.parse(line!), { file: run.data, line: 2, field, reason });
    const strict = { ...run, output: `${run.output}-strict`, strict: true };
    await assert.rejects(train(strict), {
      code: 'dataInvalid',
      message: `${run.data}, line 2, field ${field}: ${reason}`,
    });
  }
  // A pair has no negative to score.
  const pairs = await options(mse, without('hardNegatives'));
  assert.equal((await train({ ...pairs, maxSteps: 1 })).data.bad, 0);
  const texts = await options(mse, scored);
  await assert.rejects(
    train({ ...texts, settings: { ...texts.settings, data: 'texts' } }),
    /^RangeError: expected data pairs or triples for a loss that reads their scores, received texts/,
  );
});
