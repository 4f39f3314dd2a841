import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, goldenRows, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';
import type { ModelOptions, StepSettings, TrainSettings } from './train_probe.js';
import { worstDifference } from './train_probe.js';

const dropout: TrainSettings = { hiddenDropout: 0.2, attentionDropout: 0.3 };
const cls: ModelOptions = { pooling: 'cls', head: 'mlp' };
const mlm: TrainSettings = { mlm: true, maskRate: 0.3, maskTokenId: 4, specialIds: [0, 1, 2, 3] };
const prompt: TrainSettings = { trains: 'deepPrompt', promptLength: 3, ...dropout };
const moved: StepSettings = { step: 5, index: -1, delta: 0.1 };

// Each: what trains, the model's settings, how it trains, the step.
const cases: readonly (readonly [string, ModelOptions, TrainSettings, StepSettings])[] = [
  ['all parameters without dropout', { pooling: 'mean' }, {}, {}],
  ['all parameters with dropout', { pooling: 'mean' }, dropout, { step: 2 ** 32 - 1 }],
  ['a head behind the first token', cls, dropout, { step: 5 }],
  ['a pooler', { pooling: 'cls', head: 'pooler' }, dropout, { step: 5 }],
  ['several poolings', { pooling: ['max', 'meanSqrtLen', 'lastToken'] }, dropout, { step: 5 }],
  ['the mean of the first and last layer', { pooling: 'firstLastMean' }, dropout, { step: 5 }],
  ['the mean of the last two layers', { pooling: 'lastTwoMean' }, dropout, { step: 5 }],
  ['the mean with the embeddings', { pooling: 'embeddingLastMean' }, dropout, { step: 5 }],
  ['positions as weights', { pooling: 'weightedMean' }, dropout, { step: 5 }],
  ['biases', cls, { trains: 'bitFit', ...dropout }, { step: 5 }],
  ['a head alone', cls, { trains: 'head', freshHead: true, ...dropout }, { step: 5 }],
  ['a deep prompt', cls, prompt, { step: 5 }],
  [
    'a deep prompt behind a reparameterisation',
    cls,
    { ...prompt, promptProjection: 11 },
    { ...moved, changed: 'prefix_encoder.trans.2.weight' },
  ],
  [
    'LoRA',
    cls,
    { trains: 'lora', ...dropout },
    { ...moved, changed: 'encoder.layer.0.attention.self.key.lora_B.weight' },
  ],
  ['masked language modelling', cls, { ...mlm, ...dropout }, { step: 5, mlmWeight: 0.5 }],
  [
    'masked language modelling beside a deep prompt',
    cls,
    { ...mlm, ...prompt },
    { step: 5, mlmWeight: 0.5 },
  ],
];

describe('the gradients of a training step', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  // Operators on models this small wait for their threads for most of the time.
  before(() => module.setThreads(1));

  for (const name of ['bert-erf', 'bert-tanh', 'roberta-erf', 'roberta-tanh']) {
    for (const [what, options, train, step] of cases) {
      it(`equal autograd's over padded rows, float64: ${what}, ${name}`, async () => {
        const rows = await goldenRows(name, 30);
        const spec = { ...(await modelSpec(goldenDir(name), options)), maxTokens: 30 };
        const ours = await trainStep(module, spec, train, step, rows);
        const expected = await trainStep(
          module,
          spec,
          train,
          { ...step, engine: 'operators' },
          rows,
        );
        assert.ok(worstDifference(ours.embeddings, expected.embeddings) < 1e-12);
        assert.ok(Math.abs(ours.mlmLoss - expected.mlmLoss) < 1e-12);
        let trained = 0;
        for (const [i, { name: parameter, grad }] of expected.parameters.entries()) {
          if (grad === undefined) continue;
          trained += 1;
          const difference = worstDifference(ours.parameters[i]?.grad ?? new Float64Array(), grad);
          assert.ok(difference < 1e-10, `${parameter}: ${difference}`);
        }
        assert.ok(trained > 0);
      });
    }
  }

  it('agree in float32 to rounding', async () => {
    const rows = await goldenRows('bert-erf', 30);
    for (const level of [cases[1], cases[2], cases[10], cases[12], cases[13]]) {
      assert.ok(level !== undefined);
      const [what, options, train, step] = level;
      const wide = { ...(await modelSpec(goldenDir('bert-erf'), options)), maxTokens: 30 };
      const narrow = { ...wide, precision: 'float32' as const };
      const expected = await trainStep(module, wide, train, step, rows);
      const ours = await trainStep(module, narrow, train, step, rows);
      for (const [i, { name, grad }] of expected.parameters.entries()) {
        if (grad === undefined || name.endsWith('key.bias')) continue; // zero but for rounding
        const difference = worstDifference(ours.parameters[i]?.grad ?? new Float32Array(), grad);
        assert.ok(difference < 2e-4, `${what}, ${name}: ${difference}`);
      }
    }
  });

  it('match finite differences', async () => {
    const rows = await goldenRows('roberta-erf', 30);
    const spec = { ...(await modelSpec(goldenDir('roberta-erf'), cls)), maxTokens: 30 };
    const train: TrainSettings = { ...mlm, ...dropout };
    const step: StepSettings = { step: 9, mlmWeight: 0.7 };
    const total = ({ loss, mlmLoss }: { loss: number; mlmLoss: number }) => loss + 0.7 * mlmLoss;
    const { parameters } = await trainStep(module, spec, train, step, rows);
    const delta = 1e-5;
    for (const changed of [
      'embeddings.word_embeddings.weight',
      'embeddings.LayerNorm.weight',
      'encoder.layer.0.attention.self.query.weight',
      'encoder.layer.1.attention.output.dense.bias',
      'encoder.layer.2.intermediate.dense.weight',
      'lm_head.dense.weight',
      'mlp.dense.weight',
    ]) {
      const grad = parameters.find(({ name }) => name === changed)?.grad ?? new Float64Array();
      // The largest: its difference quotient has most digits.
      const index = grad.indexOf(Math.max(...grad));
      const at = (by: number) =>
        trainStep(module, spec, train, { ...step, changed, index, delta: by }, rows);
      const quotient = (total(await at(delta)) - total(await at(-delta))) / (2 * delta);
      const expected = grad[index] ?? Number.NaN;
      assert.ok(Math.abs(quotient / expected - 1) < 1e-6, `${changed}: ${quotient} ${expected}`);
    }
  });
});
