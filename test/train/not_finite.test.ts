import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { packTexts } from '#dist/encoder/pack.js';
import type { NativeTrainingEncoder } from '#dist/native.js';
import type { NativeAccumulateRequest, NativeLoss } from '#dist/native_training.js';
import { trainWith } from '#dist/train/train.js';
import { readTrainingData } from '#dist/train/training_data.js';
import { skipWithoutModule } from '../native/test_module.js';
import { randomNumbers } from '../encoder/random_model.js';
import { temporaryFolder } from '../temporary_folder.js';
import { goldenDir, loadTrainingModule, modelSpec } from './train_probe.js';
import { openLinear, trainingScene } from './training_scene.js';

const planted = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
// One word of its own in each example; all are in the golden vocabulary.
const words = ['man', 'woman', 'play', 'game', 'long', 'word'];
const anchors = words.map((word) => `a ${word}`);
const positives = words.map((word) => `the ${word}`);
const infoNce: NativeLoss = {
  kind: 'infoNce',
  weight: 1,
  temperature: 0.05,
  learnsTemperature: false,
  hardNegativeWeight: 0,
  symmetricWeight: 0,
};
const request: NativeAccumulateRequest = {
  examples: words.length,
  exampleIds: Int32Array.from(words.keys()),
  losses: [infoNce],
  inputs: {},
  step: 3,
  dropout: true,
  maxTokens: 0,
  chunkTokens: 0,
  mlmWeight: 0,
};
const stepOptions = { learningRate: 1e-3, weightDecay: 0.01, beta1: 0.9, beta2: 0.999 };

/** The golden BERT after two steps, saved: what a run goes on from. */
async function scene(folder: string) {
  const addon = loadTrainingModule();
  const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean', precision: 'float32' });
  const training = await addon.loadTraining(
    spec,
    {
      trains: 'all',
      freshHead: false,
      headWhenEvaluating: true,
      initializerRange: 0.02,
      hiddenDropout: 0.1,
      attentionDropout: 0.1,
      promptLength: 0,
      promptProjection: 0,
      loraRank: 4,
      loraAlpha: 8,
      seed: 5,
    },
    0,
  );
  const { bytes, offsets } = packTexts([...anchors, ...positives], { lowercase: false });
  const accumulate = (more: Partial<NativeAccumulateRequest> = {}) =>
    training.accumulate(bytes, offsets, { ...request, ...more }, 0);
  const step = () => training.step({ ...stepOptions, epsilon: 1e-8, maxGradNorm: 1 }, 0);
  const good = async () => {
    const result = await accumulate();
    assert.ok(result.notFinite === undefined);
    return [result.value, (await step()).gradNorm];
  };
  await good();
  await good();
  const saved = join(folder, 'saved.safetensors');
  await training.saveState(saved, 0);
  const expected = await good();
  let files = 0;
  const state = async (): Promise<Buffer> => {
    const file = join(folder, `state-${++files}.safetensors`);
    await training.saveState(file, 0);
    return readFile(file);
  };
  const after = await state();
  const goBack = () => training.loadState(saved, 0);
  await goBack();
  const plant = (
    name: string,
    where: 'value' | 'gradient',
    index: number,
    number: number,
  ): Promise<void> => addon.plantValue.call(training, name, where, index, number);
  /** From the saved state on, a step is the one of a run that met nothing. */
  const goesOn = async (what: string): Promise<void> => {
    assert.deepEqual(await good(), expected, what);
  };
  return { training, accumulate, step, plant, goBack, goesOn, state, after };
}

/** Parameters that every text meets, and one of their numbers. */
function meetsAll(training: NativeTrainingEncoder, random: () => number) {
  const { parameters } = training.info();
  const met = parameters.filter(({ name }) => !/_embeddings/.test(name));
  const at = (count: number): number => Math.floor(((random() + 1) / 2) * count);
  const { name, shape } = met[at(met.length)]!;
  return { name, index: at(shape.reduce((product, size) => product * size, 1)) };
}

describe('T5: numbers that are none', { skip: skipWithoutModule }, () => {
  test('100 in weights: no step is made, the examples are named', async (context) => {
    const { training, accumulate, step, plant, goBack, goesOn, state, after } = await scene(
      await temporaryFolder(context),
    );
    const random = randomNumbers(11);
    const width = 24;
    const { tokenIds, cuSeqlens } = await training.tokenize(
      ...packed(words),
      { addSpecialTokens: false },
      0,
    );
    for (let i = 0; i < 100; ++i) {
      const number = planted[i % 3]!;
      const example = i % words.length;
      const own = i % 2 === 0;
      const { name, index } = own
        ? {
            name: 'embeddings.word_embeddings.weight',
            index: tokenIds[cuSeqlens[example]!]! * width + (i % width),
          }
        : meetsAll(training, random);
      const what = `${number} in ${name}[${index}]`;
      await plant(name, 'value', index, number);
      const result = await accumulate();
      if (result.notFinite === undefined) {
        assert.notEqual((await step()).notFinite, undefined, `${what} was met by nobody`);
      } else {
        assert.equal(result.notFinite.tensor, 'embeddings', what);
        const all = [...words.keys()];
        assert.deepEqual(result.notFinite.examples, own ? [example] : all, what);
      }
      await goBack();
      await goesOn(what);
      await goBack();
    }
    await goesOn('at the end');
    assert.ok((await state()).equals(after));
    await training.dispose();
  });

  test('100 in gradients: the parameter is named, nothing has changed', async (context) => {
    const { training, accumulate, step, plant, goBack, goesOn, state, after } = await scene(
      await temporaryFolder(context),
    );
    const random = randomNumbers(12);
    const before = await state();
    for (let i = 0; i < 100; ++i) {
      const { name, index } = meetsAll(training, random);
      await accumulate();
      await plant(name, 'gradient', index, planted[i % 3]!);
      const { notFinite } = await step();
      assert.equal(notFinite, name);
      if (i % 20 === 0) assert.ok((await state()).equals(before), `${name}[${index}]`);
      await goesOn(`${name}[${index}]`);
      await goBack();
    }
    await goesOn('at the end');
    assert.ok((await state()).equals(after));
    await training.dispose();
  });

  test('60 in losses: refused, or no step is made and the examples are named', async (context) => {
    const { training, accumulate, goesOn, goBack } = await scene(await temporaryFolder(context));
    const n = words.length;
    const distils: NativeLoss = {
      kind: 'distillation',
      weight: 1,
      target: 'vectors',
      objective: 'mse',
      temperature: 0.05,
      teacherTemperature: 0.05,
    };
    const scored: NativeLoss = { ...distils, target: 'scores' };
    const excludes: NativeLoss = { ...infoNce, excludeAbove: 0.5 };
    const rows = (number: number, place: number): Float32Array =>
      Float32Array.from({ length: n * 24 }, (_, k) => (k === place * 24 ? number : Math.sin(k)));
    const wide = (number: number, place: number): Float64Array =>
      Float64Array.from({ length: n }, (_, k) => (k === place ? number : 1));
    for (let i = 0; i < 60; ++i) {
      const number = planted[i % 3]!;
      const place = i % n;
      const bad = { anchors: rows(number, place), good: rows(1, 0), numbers: wide(number, place) };
      const cases: readonly Partial<NativeAccumulateRequest>[] = [
        { losses: [distils], inputs: { teacherAnchors: bad.anchors, teacherCandidates: bad.good } },
        { losses: [distils], inputs: { teacherAnchors: bad.good, teacherCandidates: bad.anchors } },
        {
          losses: [excludes],
          inputs: { referenceAnchors: bad.good, referenceCandidates: bad.anchors },
        },
        { losses: [scored], inputs: { teacherScores: bad.numbers } },
        {
          losses: [{ kind: 'coSent', weight: 1, temperature: 0.05 }],
          inputs: { grades: bad.numbers },
        },
        { inputs: { rowWeights: bad.numbers } },
      ];
      const refused = accumulate(cases[Math.floor(i / 3) % cases.length]);
      await assert.rejects(refused, (error) => {
        assert.ok(error instanceof RangeError, String(error));
        return new RegExp(`expected finite .*, received NaN or infinity at place ${place}$`).test(
          error.message,
        );
      });
      // What overflows on the way is found in the loss.
      const wild = await accumulate({
        losses: [{ kind: 'energyHinge', weight: 1.7e308, margin: 10 + i }],
      });
      assert.equal(wild.notFinite?.tensor, 'loss');
      assert.deepEqual(wild.notFinite.examples, [...words.keys()]);
      await goesOn(`loss ${i}`);
      await goBack();
    }
    await training.dispose();
  });

  test('60 in data: the row is left out with line and field, or strict stops there', async (context) => {
    const folder = await temporaryFolder(context);
    const spellings = ['NaN', 'Infinity', '-Infinity', '1e999', 'nan'];
    // What reads the scores, and what has no use for them.
    const losses = [[{ kind: 'coSent' }], [{ kind: 'infoNce' }]] as const;
    for (let i = 0; i < 60; ++i) {
      const bad = spellings[i % spellings.length]!;
      const place = i % 7;
      const format = (['jsonl', 'csv', 'tsv'] as const)[i % 3]!;
      const path = join(folder, `rows-${i}.${format}`);
      await writeFile(path, scoredRows(format, place, bad));
      const settings = { data: 'pairs', losses: losses[i % 2]! } as const;
      const line = place + (format === 'jsonl' ? 1 : 2);
      // JSON has no word for NaN or infinity: there the line as a whole is at fault.
      const field = format === 'jsonl' && bad !== '1e999' ? null : 'positiveScore';
      const what = `${bad} in ${format}`;
      const read = await readTrainingData({ files: [{ path }], settings });
      assert.deepEqual(
        read.badRows.map((row) => [row.file, row.line, row.field]),
        [[path, line, field]],
        what,
      );
      assert.deepEqual([read.counts.read, read.counts.used, read.counts.bad], [7, 6, 1]);
      const kept = read.sources[0]!.examples;
      assert.deepEqual(
        kept.map(({ anchor, positiveScore }) => [anchor, positiveScore]),
        [0, 1, 2, 3, 4, 5, 6].filter((k) => k !== place).map((k) => [`a${k}`, 1.5]),
      );
      const { reason } = read.badRows[0]!;
      const named = field === null ? '' : `, field ${field}`;
      await assert.rejects(
        readTrainingData({ files: [{ path }], settings, strict: true }),
        { code: 'dataInvalid', message: `${path}, line ${line}${named}: ${reason}` },
        what,
      );
    }
  });

  test('in data: a run trains on the others and names the row, or strict makes no step', async (context) => {
    const { options, data, output } = await trainingScene(context);
    const text = await readFile(data, 'utf8');
    const scored = text
      .trimEnd()
      .split('\n')
      .map((row, k) => {
        const scores = ['positiveScore', ...Array.from({ length: 30 }, () => '1')];
        return `${row}\t${k === 9 ? 'NaN' : scores[k]}`;
      });
    await writeFile(data, `${scored.join('\n')}\n`);
    const reason = 'expected a finite number, received a string';
    const strict = trainWith(openLinear, { ...options, strict: true });
    const message = `${data}, line 10, field positiveScore: ${reason}`;
    await assert.rejects(strict, { code: 'dataInvalid', message });
    await assert.rejects(readFile(join(output, 'run.json')), { code: 'ENOENT' });
    const { data: counts, runs } = await trainWith(openLinear, options);
    assert.deepEqual([counts.read, counts.used, counts.bad, runs[0]?.steps], [30, 29, 1, 12]);
    const quarantine = await readFile(join(output, 'data.quarantine.jsonl'), 'utf8');
    const row = { file: data, line: 10, field: 'positiveScore', reason };
    assert.deepEqual(JSON.parse(quarantine), row);
  });
});

/** Seven scored pairs, one of them with another spelling of its score. */
function scoredRows(format: 'jsonl' | 'csv' | 'tsv', place: number, bad: string): string {
  const separator = format === 'tsv' ? '\t' : ',';
  const lines = Array.from({ length: 7 }, (_, k) => {
    const score = k === place ? bad : '1.5';
    return format === 'jsonl'
      ? `{"anchor":"a${k}","positive":"b${k}","positiveScore":${score}}`
      : [`a${k}`, `b${k}`, score].join(separator);
  });
  const header = ['anchor', 'positive', 'positiveScore'].join(separator);
  return `${[...(format === 'jsonl' ? [] : [header]), ...lines].join('\n')}\n`;
}

function packed(texts: readonly string[]): [Uint8Array, Float64Array | BigUint64Array] {
  const { bytes, offsets } = packTexts(texts, { lowercase: false });
  return [bytes, offsets];
}
