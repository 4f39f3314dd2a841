import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';

import { Encoder, Optimizer } from '#dist/index.js';
import type { GradientBatch, Loss, Precision } from '#dist/index.js';
import { inspectSafetensors } from '#dist/encoder/safetensors.js';
import { sessionOf } from '#dist/train/session.js';
import { safetensorsBytes } from '../encoder/random_model.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';

interface GoldenRun {
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
  /** sum_i p_i cos(i) of each parameter. */
  readonly parameters: Readonly<Record<string, number>>;
}

interface Golden {
  readonly texts: Readonly<Record<'anchors' | 'positives' | 'hardNegatives', readonly string[]>>;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  readonly mlm: { readonly weight: number; readonly rate: number };
  readonly runs: Readonly<Record<string, GoldenRun>>;
}

function fixedRows(count: number, width: number, seed: number): Float32Array {
  return Float32Array.from({ length: count * width }, (_, i) => Math.sin(i * 0.7 + seed));
}

const infoNce: Loss = { kind: 'infoNce', temperature: 0.05 };
/** The losses of the recipes, as make_runs_golden.py writes them in PyTorch. */
const losses: Readonly<Record<string, Loss | readonly Loss[]>> = {
  'simcse-unsup': infoNce,
  'simcse-sup': infoNce,
  'simgpt-simcse': { ...infoNce, hardNegativeWeight: 0.8 },
  'promcse-sup': [infoNce, { kind: 'energyHinge', weight: 10 }],
  multicsr: { kind: 'multiCsr', above: 0.5 },
  'multicsr-released': { kind: 'multiCsr', above: 0.5, masked: 'zeroScore' },
  'distil-small': { kind: 'distillation' },
  'simcse-unsup-mlm': infoNce,
};

function projection(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (const [i, value] of values.entries()) sum += value * Math.cos(i);
  return sum;
}

const bertErf = join(repoRoot, 'test/golden/bert-erf');

/** bert-erf with a head of masked language modelling, as make_runs_golden.py makes it. */
async function withPredictions(folder: string): Promise<string> {
  const width = 24;
  const vocab = 54;
  const head: [string, number[], Float32Array][] = [
    ['transform.dense.weight', [width, width], fixedRows(width, width, 5).map((x) => x / 4)],
    ['transform.dense.bias', [width], fixedRows(1, width, 6).map((x) => x / 4)],
    ['transform.LayerNorm.weight', [width], fixedRows(1, width, 7).map((x) => 1 + x / 4)],
    ['transform.LayerNorm.bias', [width], fixedRows(1, width, 8).map((x) => x / 4)],
    ['bias', [vocab], fixedRows(1, vocab, 9).map((x) => x / 4)],
  ];
  const named = head.map(([name, shape, values]): (typeof head)[number] => [
    `cls.predictions.${name}`,
    shape,
    values,
  ]);
  for (const file of ['config.json', 'tokenizer.json']) {
    await copyFile(join(bertErf, file), join(folder, file));
  }
  const { tensors } = await inspectSafetensors(join(bertErf, 'model.safetensors'));
  await copyFile(join(bertErf, 'model.safetensors'), join(folder, 'encoder.safetensors'));
  await writeFile(join(folder, 'head.safetensors'), safetensorsBytes(named));
  const weight_map = Object.fromEntries([
    ...tensors.map(({ name }) => [name, 'encoder.safetensors']),
    ...named.map(([name]) => [name, 'head.safetensors']),
  ]);
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  return folder;
}

async function runSteps(golden: Golden, dir: string, name: string, precision: Precision) {
  const { anchors, positives, hardNegatives } = golden.texts;
  const unsupervised = name.startsWith('simcse-unsup');
  const predicts = name.endsWith('-mlm');
  const batch: GradientBatch = {
    anchors,
    positives: unsupervised ? anchors : positives,
    hardNegatives: unsupervised ? [] : hardNegatives.map((text) => [text]),
    ...(name.startsWith('multicsr') && {
      referenceEmbeddings: {
        anchors: fixedRows(4, 5, 1),
        positives: fixedRows(8, 5, 2).slice(0, 20),
        hardNegatives: fixedRows(8, 5, 2).slice(20),
      },
    }),
    ...(name === 'distil-small' && {
      teacherEmbeddings: {
        anchors: fixedRows(4, 24, 3),
        positives: fixedRows(8, 24, 4).slice(0, 96),
        hardNegatives: fixedRows(8, 24, 4).slice(96),
      },
    }),
  };
  const { mlm } = golden;
  await using encoder = await Encoder.load(dir, {
    pooling: 'mean',
    trains: { kind: 'all' },
    dropout: { hidden: 0, attention: 0 },
    precision,
    ...(predicts && { mlm: { rate: mlm.rate } }),
  });
  await using optimizer = new Optimizer(encoder, { weightDecay: golden.weightDecay });
  const steps = golden.runs[name]!.losses.length;
  const seen = { losses: [] as number[], gradientNorms: [] as number[] };
  for (let step = 0; step < steps; ++step) {
    const options = { step, ...(predicts && { mlmWeight: mlm.weight }) };
    const { loss } = await encoder.accumulateGradients(batch, losses[name]!, options);
    const learningRate = golden.learningRate * (1 - step / steps);
    seen.losses.push(loss);
    seen.gradientNorms.push(
      await optimizer.step({ learningRate, maxGradNorm: golden.maxGradNorm }),
    );
  }
  const { native } = sessionOf(encoder);
  const parameters: Record<string, Float32Array | Float64Array> = {};
  for (const parameter of Object.keys(golden.runs[name]!.parameters)) {
    parameters[parameter] = await native.parameter(parameter, 0);
  }
  return { ...seen, parameters };
}

function requireNear(what: string, seen: number, expected: number, tolerance: number): void {
  const gap = Math.abs(seen - expected);
  assert.ok(gap <= tolerance, `${what}: ${seen}, PyTorch ${expected}`);
}

describe('thirty steps equal PyTorch', async () => {
  const path = join(repoRoot, 'test/golden/training_runs.json');
  const golden = JSON.parse(await readFile(path, 'utf8')) as Golden;
  assert.deepEqual(Object.keys(golden.runs), Object.keys(losses));
  const wideRuns = new Map<string, ReturnType<typeof runSteps>>();
  const folderOf = async (name: string, context: TestContext): Promise<string> =>
    name.endsWith('-mlm') ? withPredictions(await temporaryFolder(context)) : bertErf;
  const inFloat64 = (name: string, dir: string): ReturnType<typeof runSteps> => {
    const run = wideRuns.get(name) ?? runSteps(golden, dir, name, 'float64');
    wideRuns.set(name, run);
    return run;
  };
  for (const [name, expected] of Object.entries(golden.runs)) {
    test(`${name}, float64`, async (context) => {
      const seen = await inFloat64(name, await folderOf(name, context));
      for (const [step, loss] of expected.losses.entries()) {
        requireNear(`loss ${step}`, seen.losses[step]!, loss, 1e-8);
        requireNear(`norm ${step}`, seen.gradientNorms[step]!, expected.gradientNorms[step]!, 1e-7);
      }
      for (const [parameter, value] of Object.entries(expected.parameters)) {
        // Elements within 1e-8 whose errors are of either sign.
        const ours = seen.parameters[parameter]!;
        requireNear(parameter, projection(ours), value, 1e-8 * Math.sqrt(ours.length));
      }
    });

    test(`${name}, float32`, async (context) => {
      const dir = await folderOf(name, context);
      const seen = await runSteps(golden, dir, name, 'float32');
      for (const [step, loss] of expected.losses.entries()) {
        requireNear(`loss ${step}`, seen.losses[step]!, loss, 1e-5 * Math.max(loss, 1e-2));
      }
      // Element by element against the run in float64, which is PyTorch's within 1e-8.
      const wide = await inFloat64(name, dir);
      for (const [parameter, values] of Object.entries(seen.parameters)) {
        for (const [i, value] of values.entries()) {
          requireNear(`${parameter}[${i}]`, value, wide.parameters[parameter]![i]!, 1e-4);
        }
      }
    });
  }
});
