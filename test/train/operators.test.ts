import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, goldenRows, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';
import { worstDifference } from './train_probe.js';
import type { ModelOptions, StepResult, StepSettings, TrainSettings } from './train_probe.js';

// Layer, elements a row: every site of draws.h that dropout has, in both passes.
const sites = [
  ['behind the embedding', 0, 0],
  ['attention', 1, 11],
  ['attention output', 2, 5],
  ['feed-forward', 3, 23],
  ['the prompt', 4, 2],
] as const;
const mlmPass = 16;

const dropout: TrainSettings = { hiddenDropout: 0.1, attentionDropout: 0.1 };
const cls: ModelOptions = { pooling: 'cls', head: 'mlp' };
const mlm: TrainSettings = { mlm: true, maskRate: 0.3, maskTokenId: 4, specialIds: [0, 1, 2, 3] };
const cases: readonly (readonly [string, ModelOptions, TrainSettings])[] = [
  ['all parameters', { pooling: ['mean', 'max'] }, dropout],
  ['a head and masked language modelling', cls, { ...dropout, ...mlm }],
  ['biases', { pooling: 'lastTwoMean' }, { ...dropout, trains: 'bitFit' }],
  ['a deep prompt', cls, { ...dropout, ...mlm, trains: 'deepPrompt', promptLength: 3 }],
  ['LoRA', { pooling: 'weightedMean' }, { ...dropout, trains: 'lora' }],
  ['a head alone', cls, { ...dropout, trains: 'head' }],
];

/** |a - b| over |b| of all gradients in one vector, but keys' biases, whose true gradient is 0. */
function gradientDistance(actual: StepResult, expected: StepResult): number {
  let gap = 0;
  let size = 0;
  for (const [i, { name, grad }] of expected.parameters.entries()) {
    if (grad === undefined || name.endsWith('key.bias')) continue;
    const other = actual.parameters[i]?.grad ?? [];
    for (const [j, value] of grad.entries()) {
      gap += (value - (other[j] ?? Number.NaN)) ** 2;
      size += value ** 2;
    }
  }
  return Math.sqrt(gap / size);
}

describe('training in plain operators', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  // Operators on models this small wait for their threads for most of the time.
  before(() => module.setThreads(1));

  it('drops the same elements as the kernels, bit for bit, at every site', () => {
    const examples = [0, 7, 2 ** 32 - 1, 123_456];
    const roles = [0, 1, 255, 2];
    const keys = [
      { seed: 0, step: 0 },
      { seed: 2 ** 53 - 1, step: 2 ** 32 - 1 },
      { seed: 2 ** 32 + 5, step: 17 },
    ];
    for (const [what, site, layer] of sites) {
      for (const first of [0, mlmPass]) {
        for (const key of keys) {
          for (const [p, count] of [
            [0.1, 1000],
            [0.5, 257],
            [0.9, 31],
            [0, 5],
          ] as const) {
            const draw = { ...key, examples, roles, layer, site: first + site, p, count };
            const { kernels, operators } = module.dropoutMasks(draw);
            assert.deepEqual(operators, kernels, `${what}, p ${p}`);
            const kept = operators.reduce((sum, one) => sum + one, 0) / operators.length;
            if (count === 1000) assert.ok(Math.abs(kept - 0.9) < 0.03, `${what}: ${kept} kept`);
          }
        }
      }
    }
  });

  for (const [what, options, train] of cases) {
    it(`has the kernels' gradients with dropout 0.1, whole and in chunks: ${what}`, async () => {
      const rows = await goldenRows('roberta-erf', 30);
      const step: StepSettings = { step: 3, mlmWeight: train.mlm === true ? 0.4 : 0 };
      for (const [precision, most] of [
        ['float64', 1e-9],
        ['float32', 1e-4],
      ] as const) {
        const model = { ...options, precision };
        const spec = { ...(await modelSpec(goldenDir('roberta-erf'), model)), maxTokens: 30 };
        for (const chunkTokens of [0, 40]) {
          const cut = { ...step, chunkTokens };
          const expected = await trainStep(module, spec, train, cut, rows);
          const actual = await trainStep(
            module,
            spec,
            train,
            { ...cut, engine: 'operators' },
            rows,
          );
          assert.equal(actual.chunks, expected.chunks);
          assert.ok(worstDifference(actual.embeddings, expected.embeddings) < most);
          assert.ok(Math.abs(actual.mlmLoss - expected.mlmLoss) < most);
          const apart = gradientDistance(actual, expected);
          assert.ok(apart < most, `${precision}, ${chunkTokens} tokens: ${apart}`);
        }
      }
    });
  }

  it('leaves no gradient behind where it is cancelled, and finds one that is no number', async () => {
    const rows = await goldenRows('bert-erf', 30);
    const spec = { ...(await modelSpec(goldenDir('bert-erf'), cls)), maxTokens: 30 };
    const step: StepSettings = { engine: 'operators', step: 1, chunkTokens: 30 };
    const plain = await trainStep(module, spec, dropout, step, rows);
    const again = await trainStep(module, spec, dropout, { ...step, interrupts: true }, rows);
    assert.equal(again.interrupted, 'cancelled');
    assert.equal(gradientDistance(again, plain), 0);
    assert.equal(plain.notFinite, '');
    const broken = { changed: 'mlp.dense.bias', index: 0, delta: Number.MAX_VALUE };
    const mean = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean' });
    const last = { ...broken, changed: 'encoder.layer.2.output.LayerNorm.bias', delta: 1e308 };
    const { notFinite } = await trainStep(module, mean, dropout, { ...step, ...last }, rows);
    assert.equal(notFinite, 'embeddings.word_embeddings.weight');
  });

  it('in bfloat16 keeps float32 parameters, and gradients near those of float32', async () => {
    const rows = await goldenRows('bert-erf', 30);
    const step: StepSettings = { engine: 'operators', step: 3, mlmWeight: 0.4 };
    const train: TrainSettings = { ...dropout, ...mlm };
    const at = async (precision: 'float32' | 'bfloat16', chunkTokens = 0) => {
      const spec = {
        ...(await modelSpec(goldenDir('bert-erf'), { ...cls, precision })),
        maxTokens: 30,
      };
      return trainStep(module, spec, train, { ...step, chunkTokens }, rows);
    };
    const wide = await at('float32');
    for (const narrow of [await at('bfloat16'), await at('bfloat16', 40)]) {
      assert.ok(
        narrow.parameters.every(
          ({ value, grad }) => value instanceof Float32Array && grad instanceof Float32Array,
        ),
      );
      assert.ok(Math.abs(narrow.loss / wide.loss - 1) < 0.02, `${narrow.loss} ${wide.loss}`);
      assert.ok(Math.abs(narrow.mlmLoss / wide.mlmLoss - 1) < 0.02);
      const apart = gradientDistance(narrow, wide);
      // |a - b| / |b| below 0.14 means a cosine above 0.99; no more than rounding may be lost.
      assert.ok(apart > 1e-4 && apart < 0.14, String(apart));
    }
  });
});
