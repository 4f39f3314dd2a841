import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { Loss } from '#dist/train/loss.js';
import { computeLossOf, goldenCase, withoutHardNegatives } from './loss_case.js';
import type { LossCase, LossForm } from './loss_case.js';

const forms: readonly LossForm[] = ['float64', 'float32', 'fused'];

/** The golden rows are their own reference embeddings (METHODS 13). */
const referenced: LossCase = {
  ...goldenCase,
  inputs: {
    ...goldenCase.inputs,
    referenceAnchors: Float32Array.from(goldenCase.anchors),
    referenceCandidates: Float32Array.of(...goldenCase.positives, ...goldenCase.hardNegatives!),
  },
};

const hinge: Loss = { kind: 'energyHinge' };
const golden: readonly {
  readonly name: string;
  readonly loss: (temperature: number) => Loss;
  readonly given: LossCase;
  readonly values: readonly [number, number];
}[] = [
  {
    name: 'InfoNCE without hard negatives',
    loss: (temperature) => ({ kind: 'infoNce', temperature }),
    given: withoutHardNegatives(goldenCase),
    values: [0.3496272, 0.00038837],
  },
  {
    name: 'InfoNCE',
    loss: (temperature) => ({ kind: 'infoNce', temperature }),
    given: goldenCase,
    values: [0.8703508, 1.6207233],
  },
  {
    name: 'InfoNCE with weight 0.8',
    loss: (temperature) => ({ kind: 'infoNce', temperature, hardNegativeWeight: 0.8 }),
    given: goldenCase,
    values: [1.2354632, 2.0102779],
  },
  {
    name: 'false negatives left out',
    loss: (temperature) => ({ kind: 'multiCsr', temperature }),
    given: referenced,
    values: [0.526851, 0.00076124],
  },
  {
    name: 'false negatives at score 0',
    loss: (temperature) => ({ kind: 'multiCsr', temperature, masked: 'zeroScore' }),
    given: referenced,
    values: [0.2727352, 0.00038058],
  },
  {
    name: 'the Qwen3 form',
    loss: (temperature) => ({ kind: 'qwen3', temperature }),
    given: goldenCase,
    values: [0.9920979, 0.3672747],
  },
  { name: 'the energy hinge', loss: () => hinge, given: goldenCase, values: [0.18, 0.18] },
];

describe('the golden losses of METHODS 13', () => {
  for (const { name, loss, given, values } of golden) {
    for (const form of forms) {
      test(`${name}, ${form}`, async () => {
        for (const [place, temperature] of [0.5, 0.05].entries()) {
          const { value } = await computeLossOf(loss(temperature), given, form);
          // Half a unit of the last printed digit, and float32's own error of a score.
          const printed = values[place]! < 0.01 ? 5e-9 : 5e-8;
          const tolerance = printed + (form === 'float64' ? 0 : 4e-8 / temperature);
          assert.ok(Math.abs(value - values[place]!) <= tolerance, `${value}, ${values[place]}`);
        }
      });
    }
  }
});

describe('a loss that cannot be computed says why', () => {
  const wrong: readonly (readonly [string, Loss | readonly Loss[], LossCase, RegExp])[] = [
    ['no loss', [], goldenCase, /^expected at least one loss, received none$/],
    [
      'a temperature of 0',
      { kind: 'infoNce', temperature: 0 },
      goldenCase,
      /^expected temperature > 0, received 0$/,
    ],
    [
      'a mask without its encoder',
      { kind: 'multiCsr' },
      goldenCase,
      /^expected reference embeddings of the batch's texts$/,
    ],
    [
      'a size beyond the width',
      { kind: 'matryoshka', sizes: [3], losses: [{ kind: 'infoNce' }] },
      goldenCase,
      /^expected a matryoshka size from 1 to 2, received 3$/,
    ],
    [
      'owners that fall',
      { kind: 'infoNce' },
      { ...goldenCase, inputs: { owner: Int32Array.of(1, 0) } },
      /^expected owner to rise within 0 to 1$/,
    ],
    [
      'grades for none',
      { kind: 'coSent' },
      goldenCase,
      /^expected grades of shape \[2\], received/,
    ],
    [
      'divergence of vectors',
      { kind: 'distillation', objective: 'kl' },
      goldenCase,
      /^expected objective 'mse' with target 'vectors'/,
    ],
  ];
  for (const [name, loss, given, message] of wrong) {
    test(name, async () => {
      await assert.rejects(computeLossOf(loss, given, 'fused'), { name: 'RangeError', message });
    });
  }
});

describe('what is no number is said, never hidden', () => {
  for (const form of forms) {
    for (const value of [Number.NaN, Infinity]) {
      test(`${value}, ${form}`, async () => {
        const anchors = Float64Array.from(goldenCase.anchors);
        anchors[1] = value;
        const result = await computeLossOf({ kind: 'infoNce' }, { ...goldenCase, anchors }, form);
        assert.ok(!Number.isFinite(result.value), `${result.value}`);
      });
    }
  }

  test('a vector of zeros has cosine 0 and a finite gradient', async () => {
    for (const form of forms) {
      const anchors = Float64Array.of(0, 0, 0, 1);
      const result = await computeLossOf({ kind: 'infoNce' }, { ...goldenCase, anchors }, form);
      assert.ok(Number.isFinite(result.value) && result.anchors.every(Number.isFinite), form);
    }
  });
});
