import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';

import { Encoder, Optimizer } from '#dist/index.js';
import type { GradientBatch, Precision } from '#dist/index.js';
import { inspectSafetensors } from '#dist/encoder/safetensors.js';
import type { ForeignEmbeddings } from '#dist/train/loss.js';
import { mlmWeightAt } from '#dist/train/native_model.js';
import type { Settings } from '#dist/train/recipe_schema.js';
import { sessionOf } from '#dist/train/session.js';
import { safetensorsBytes } from '../encoder/random_model.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { readFloat64Tensors } from './float64_tensors.js';
import { allRecipeForms } from './recipe_forms.js';

type LossForm = Pick<Settings, 'data' | 'losses' | 'mlm'>;

interface GoldenRun {
  /** As a recipe states it. */
  readonly form: LossForm;
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
}

interface Golden {
  readonly texts: Readonly<Record<'anchors' | 'positives' | 'hardNegatives', readonly string[]>>;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  readonly runs: Readonly<Record<string, GoldenRun>>;
}

const goldenPath = join(repoRoot, 'test/golden/training_runs');
const golden = JSON.parse(await readFile(`${goldenPath}.json`, 'utf8')) as Golden;
/** The last parameters of all runs but the biases of keys, by `run/parameter`. */
const goldenParameters = await readFloat64Tensors(`${goldenPath}.safetensors`);

/** Of one run, by parameter. */
function parametersOf(run: string): readonly (readonly [string, Float64Array])[] {
  const own = [...goldenParameters].filter(([name]) => name.startsWith(`${run}/`));
  return own.map(([name, values]) => [name.slice(run.length + 1), values]);
}

function fixedRows(count: number, width: number, seed: number): Float32Array {
  return Float32Array.from({ length: count * width }, (_, i) => Math.sin(i * 0.7 + seed));
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

/** What a form of loss is about: the texts, and fixed rows for the encoders that it asks. */
function batchOf({ data, losses }: LossForm): GradientBatch {
  const { anchors, positives, hardNegatives } = golden.texts;
  const hard = data === 'triples' ? 4 : 0;
  const foreign = (width: number, seed: number): ForeignEmbeddings => {
    const rows = fixedRows(4 + hard, width, seed + 1);
    return {
      anchors: fixedRows(4, width, seed),
      positives: rows.slice(0, 4 * width),
      hardNegatives: rows.slice(4 * width),
    };
  };
  const kinds = losses.map(({ kind }) => kind);
  return {
    anchors,
    positives: data === 'sentences' ? anchors : positives,
    hardNegatives: hard > 0 ? hardNegatives.map((text) => [text]) : [],
    ...(kinds.includes('multiCsr') && { referenceEmbeddings: foreign(5, 1) }),
    ...(kinds.includes('distillation') && { teacherEmbeddings: foreign(24, 3) }),
  };
}

async function runSteps(dir: string, name: string, precision: Precision) {
  const { form, losses } = golden.runs[name]!;
  const { mlm } = form;
  const batch = batchOf(form);
  await using encoder = await Encoder.load(dir, {
    pooling: 'mean',
    trains: { kind: 'all' },
    dropout: { hidden: 0, attention: 0 },
    precision,
    ...(mlm !== null && { mlm: { rate: mlm.rate } }),
  });
  await using optimizer = new Optimizer(encoder, { weightDecay: golden.weightDecay });
  const seen = { losses: [] as number[], gradientNorms: [] as number[] };
  for (const step of losses.keys()) {
    const options = { step, mlmWeight: mlmWeightAt(step, mlm) };
    const { loss } = await encoder.accumulateGradients(batch, form.losses, options);
    const learningRate = golden.learningRate * (1 - step / losses.length);
    seen.losses.push(loss);
    seen.gradientNorms.push(
      await optimizer.step({ learningRate, maxGradNorm: golden.maxGradNorm }),
    );
  }
  const { native } = sessionOf(encoder);
  const parameters = new Map<string, Float32Array | Float64Array>();
  for (const [parameter] of parametersOf(name)) {
    parameters.set(parameter, await native.parameter(parameter, 0));
  }
  return { ...seen, parameters };
}

/** Every element of every parameter, those without a true gradient aside. */
function requireParameters(
  name: string,
  seen: ReadonlyMap<string, Float32Array | Float64Array>,
  tolerance: number,
): void {
  const expected = parametersOf(name);
  assert.ok(expected.length >= 50, `${expected.length} parameters`);
  for (const [parameter, values] of expected) {
    const ours = seen.get(parameter)!;
    assert.equal(ours.length, values.length, parameter);
    for (const [i, value] of values.entries()) {
      requireNear(`${parameter}[${i}]`, ours[i]!, value, tolerance);
    }
  }
}

function requireNear(what: string, seen: number, expected: number, tolerance: number): void {
  const gap = Math.abs(seen - expected);
  assert.ok(gap <= tolerance, `${what}: ${seen}, PyTorch ${expected}`);
}

describe('thirty steps equal PyTorch', () => {
  const folderOf = async ({ mlm }: LossForm, context: TestContext): Promise<string> =>
    mlm === null ? bertErf : withPredictions(await temporaryFolder(context));
  for (const [name, expected] of Object.entries(golden.runs)) {
    test(`${name}, float64`, async (context) => {
      const seen = await runSteps(await folderOf(expected.form, context), name, 'float64');
      for (const [step, loss] of expected.losses.entries()) {
        requireNear(`loss ${step}`, seen.losses[step]!, loss, 1e-8);
        requireNear(`norm ${step}`, seen.gradientNorms[step]!, expected.gradientNorms[step]!, 1e-7);
      }
      requireParameters(name, seen.parameters, 1e-8);
    });

    test(`${name}, float32`, async (context) => {
      const seen = await runSteps(await folderOf(expected.form, context), name, 'float32');
      for (const [step, loss] of expected.losses.entries()) {
        requireNear(`loss ${step}`, seen.losses[step]!, loss, 1e-5 * Math.max(loss, 1e-2));
      }
      requireParameters(name, seen.parameters, 1e-4);
    });
  }
});

// What a loss is where a recipe leaves it out (ts/train/loss.ts); the recipes say the rest.
const lossDefaults = {
  infoNce: { hardNegativeWeight: 0, weight: 1 },
  energyHinge: { weight: 1 },
  multiCsr: { weight: 1 },
  distillation: { weight: 1 },
} as const;

function keyOf({ data, losses, mlm }: LossForm): string {
  const filled = losses.map((loss) => {
    assert.ok(loss.kind in lossDefaults, `expected a golden form of ${loss.kind}`);
    const all = { ...lossDefaults[loss.kind as keyof typeof lossDefaults], ...loss };
    return Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1));
  });
  return JSON.stringify([data, filled, mlm && [mlm.weight, mlm.rate, mlm.decay, mlm.decaySteps]]);
}

test('the loss of every recipe, of every variant and row, is one of a golden run', async () => {
  const known = new Set(Object.values(golden.runs).map(({ form }) => keyOf(form)));
  const forms = await allRecipeForms();
  const missing = forms.filter(({ settings }) => !known.has(keyOf(settings)));
  assert.deepEqual(
    missing.map(({ recipe, variant, row }) => [recipe, variant, row]),
    [],
  );
  assert.ok(forms.length >= 30, `${forms.length} forms`);
});
