import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import type { NativeEncoderSpec } from '#dist/native.js';
import { safetensorsBytes } from '../encoder/random_model.js';
import { skipWithoutModule } from '../native/test_module.js';
import { temporaryFolder } from '../temporary_folder.js';
import { goldenDir, goldenRows, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';
import { worstDifference } from './train_probe.js';
import type { StepResult, TrainSettings } from './train_probe.js';

const off = { hiddenDropout: 0, attentionDropout: 0 };

function sizes(model: 'bert' | 'roberta', large: boolean): NativeEncoderSpec['config'] {
  const bert = model === 'bert';
  return {
    modelType: model,
    vocabSize: bert ? 30_522 : 50_265,
    hiddenSize: large ? 1024 : 768,
    layerCount: large ? 24 : 12,
    headCount: large ? 16 : 12,
    intermediateSize: large ? 4096 : 3072,
    maxPositions: bert ? 512 : 514,
    typeVocabSize: bert ? 2 : 1,
    positionOffset: bert ? 0 : 2,
    padTokenId: bert ? 0 : 1,
    layerNormEps: bert ? 1e-12 : 1e-5,
    activation: 'gelu',
  };
}

describe('the number of trainable parameters', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  const count = (
    config: NativeEncoderSpec['config'],
    head: NativeEncoderSpec['head'],
    train: TrainSettings,
  ) => {
    const spec: NativeEncoderSpec = {
      config,
      tokenizer: { kind: 'tokenizerJson', path: '/absent' },
      weights: ['/absent'],
      pooling: ['cls'],
      head,
      dense: [],
      maxTokens: 32,
      backend: 'cpu',
      precision: 'float32',
    };
    return module.countTrainable(spec, { ...off, ...train });
  };

  it('is the table of METHODS 13 for biases', () => {
    const bert = sizes('bert', false);
    assert.equal(count(bert, 'pooler', { trains: 'bitFit' }).trainable, 102_912);
    assert.equal(count(bert, 'none', { trains: 'bitFit' }).trainable, 102_144);
  });

  it('is the table of METHODS 13 for a deep prompt and its head', () => {
    for (const [model, large, promptLength, expected] of [
      ['roberta', false, 10, 774_912],
      ['roberta', false, 14, 848_640],
      ['bert', false, 12, 811_776],
      ['bert', false, 16, 885_504],
      ['bert', true, 10, 1_541_120],
      ['roberta', true, 10, 1_541_120],
      ['bert', true, 12, 1_639_424],
    ] as const) {
      const train: TrainSettings = { trains: 'deepPrompt', promptLength, freshHead: true };
      assert.equal(count(sizes(model, large), 'mlp', train).trainable, expected);
    }
  });

  it('is all of them, two matrices a linear layer, or the head', () => {
    const bert = sizes('bert', false);
    const all = count(bert, 'none', { trains: 'all' });
    assert.deepEqual(all, { total: 108_891_648, trainable: 108_891_648 }); // without the pooler
    // Per layer 16 x (768 + 768) four times and 16 x (768 + 3072) twice.
    const lora = count(bert, 'none', { trains: 'lora', loraRank: 16 });
    assert.equal(lora.trainable, 12 * 16 * (4 * 1536 + 2 * 3840));
    assert.equal(count(bert, 'mlp', { trains: 'head' }).trainable, 590_592);
  });
});

describe('parameters', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  const step = async (train: TrainSettings, more: object = {}): Promise<StepResult> => {
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'cls', head: 'mlp' });
    const rows = await goldenRows('bert-erf', 30);
    return trainStep(module, { ...spec, maxTokens: 30 }, { ...off, ...train }, more, rows);
  };

  it('decay unless they are biases or belong to a LayerNorm', async () => {
    const { parameters } = await step({ mlm: true, maskRate: 0.1, maskTokenId: 4, specialIds: [] });
    const decaying = parameters.filter(({ decays }) => decays).map(({ name }) => name);
    assert.ok(decaying.every((name) => name.endsWith('.weight') && !/norm/i.test(name)));
    assert.equal(decaying.length, 3 + 3 * 6 + 1 + 1); // tables, layers, head, LM head
  });

  it('train by the rule of their preset', async () => {
    const trained = async (train: TrainSettings) =>
      (await step(train)).parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
    const biases = await trained({ trains: 'bitFit' });
    assert.ok(biases.length === 1 + 3 * 8 + 1 && biases.every((name) => name.includes('bias')));
    assert.deepEqual(await trained({ trains: 'head' }), ['mlp.dense.weight', 'mlp.dense.bias']);
    assert.deepEqual(await trained({ trains: 'deepPrompt', promptLength: 2 }), [
      'mlp.dense.weight',
      'mlp.dense.bias',
      'prefix_encoder.embedding.weight',
    ]);
    const lora = await trained({ trains: 'lora' });
    assert.equal(lora.filter((name) => name.includes('.lora_')).length, 3 * 6 * 2);
  });

  it('that are drawn anew are a function of the seed, normal with standard deviation 0.02', async () => {
    const fresh = async (seed: number) => {
      const { parameters } = await step({ freshHead: true, seed });
      const find = (name: string) =>
        parameters.find((parameter) => parameter.name === name)?.value ?? new Float64Array();
      return { weight: find('mlp.dense.weight'), bias: find('mlp.dense.bias') };
    };
    const { weight, bias } = await fresh(1);
    assert.deepEqual((await fresh(1)).weight, weight);
    assert.notDeepEqual((await fresh(2)).weight, weight);
    assert.ok(bias.every((value) => value === 0));
    let sum = 0;
    let squares = 0;
    for (const value of weight) {
      sum += value;
      squares += value * value;
    }
    // 576 draws: four standard errors.
    assert.ok(Math.abs(sum / weight.length) < (4 * 0.02) / 24);
    assert.ok(Math.abs(Math.sqrt(squares / weight.length) / 0.02 - 1) < 4 / Math.sqrt(2 * 576));
  });

  it('of LoRA leave the model as it was at first, and are merged on export', async (context) => {
    const plain = await step({}, { evaluates: true });
    const train: TrainSettings = { trains: 'lora' };
    const before = await step(train, { evaluates: true });
    assert.ok(worstDifference(before.embeddings, plain.embeddings) < 1e-12);

    const changed = 'encoder.layer.1.attention.self.value.lora_B.weight';
    const moved = { changed, index: -1, delta: 0.5 };
    const after = await step(train, { ...moved, evaluates: true });
    assert.ok(worstDifference(after.embeddings, plain.embeddings) > 1e-3);
    const { checkpoint, adapter, parameters } = await step(train, moved);
    assert.equal(Object.keys(adapter).length, 3 * 6 * 2);
    const original = parameters.find(({ name }) => name.endsWith('1.attention.self.value.weight'));
    assert.notDeepEqual(
      checkpoint['encoder.layer.1.attention.self.value.weight'],
      Float32Array.from(original?.value ?? []),
    );
    // The exported tensors, read by the same model without LoRA, give the same vectors.
    const dir = await temporaryFolder(context);
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'cls', head: 'mlp' });
    const path = join(dir, 'model.safetensors');
    await writeFile(path, safetensorsBytes(shaped(checkpoint, spec)));
    const rows = await goldenRows('bert-erf', 30);
    const read = await trainStep(
      module,
      { ...spec, weights: [path], maxTokens: 30 },
      off,
      { evaluates: true },
      rows,
    );
    assert.ok(worstDifference(read.embeddings, after.embeddings) < 1e-6);
  });

  it('that leave the head out in evaluation give the pooled vectors', async () => {
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'cls', head: 'mlp' });
    const bare = await modelSpec(goldenDir('bert-erf'), { pooling: 'cls', head: 'none' });
    const rows = await goldenRows('bert-erf');
    const train = { ...off, headWhenEvaluating: false };
    const without = await trainStep(module, spec, train, { evaluates: true }, rows);
    const expected = await trainStep(module, bare, off, { evaluates: true }, rows);
    assert.deepEqual(without.embeddings, expected.embeddings);
    const training = await trainStep(module, spec, train, { evaluates: true, step: 1 }, rows);
    const withHead = await trainStep(module, spec, off, { evaluates: true }, rows);
    assert.deepEqual(training.embeddings, withHead.embeddings);
  });
});

/** Tensors of a BERT of golden size with their shapes, which the probe's arrays have lost. */
function shaped(
  tensors: StepResult['checkpoint'],
  { config }: NativeEncoderSpec,
): [string, number[], Float32Array][] {
  return Object.entries(tensors).map(([name, values]) => {
    const isVector = name.endsWith('.bias') || name.includes('LayerNorm');
    const columns = name.endsWith('output.dense.weight') && !name.includes('attention');
    const width = columns ? config.intermediateSize : config.hiddenSize;
    const shape = isVector ? [values.length] : [values.length / width, width];
    return [name, shape, Float32Array.from(values)];
  });
}

describe('what cannot train is refused', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  const cases: readonly (readonly [TrainSettings, object, RegExp])[] = [
    [{ hiddenDropout: 1 }, {}, /^expected hiddenDropout from 0 to below 1, received 1/],
    [{ attentionDropout: -0.5 }, {}, /^expected attentionDropout from 0 to below 1, received -0/],
    [
      { trains: 'deepPrompt', promptLength: 11 },
      {},
      /^expected promptLength from 1 to 10, the positions that maxTokens leaves, received 11$/,
    ],
    [{ promptLength: 2 }, {}, /^expected promptLength 0 where no deep prompt trains, received 2$/],
    [{ trains: 'lora', loraRank: 0 }, {}, /^expected loraRank from 1 to 24, received 0$/],
    [{ trains: 'head' }, {}, /^expected a head or a dense module where only those train/],
    [{ freshHead: true }, {}, /^expected head 'mlp' where it is drawn anew, received another$/],
    [{}, { mlmWeight: 1, step: 1 }, /^expected a model with masked language modelling and a dro/],
    [{}, { roles: [0] }, /^expected 8 roles, received 1$/],
    [{}, { exampleIds: [0, 1] }, /^expected 8 example ids, received 2$/],
  ];
  it('sizes that would read beyond a table', async () => {
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean', head: 'none' });
    const rows = await goldenRows('bert-erf', 30);
    for (const [wrong, message] of [
      [{ ...spec, maxTokens: 41 }, /^expected maxTokens from 1 to 40, received 41$/],
      [
        { ...spec, config: { ...spec.config, headCount: 5 } },
        /^expected hiddenSize that headCount divides, received 24$/,
      ],
      [
        { ...spec, config: { ...spec.config, typeVocabSize: 0 } },
        /^expected typeVocabSize >= 1, received 0$/,
      ],
    ] as const) {
      await assert.rejects(trainStep(module, wrong, {}, {}, rows), { name: 'RangeError', message });
    }
  });

  for (const [train, step, message] of cases) {
    it(message.source, async () => {
      const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean', head: 'none' });
      const rows = await goldenRows('bert-erf', 30);
      await assert.rejects(trainStep(module, { ...spec, maxTokens: 30 }, train, step, rows), {
        name: 'RangeError',
        message,
      });
    });
  }
});
