import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { Loss } from '#dist/train/loss.js';
import { computeLossOf, furnishedCase, gradientOf } from './loss_case.js';
import type { LossCase } from './loss_case.js';

const given = furnishedCase({ examples: 9, width: 6, hardNegatives: 2, seed: 8 });

const losses: readonly (readonly [string, Loss | readonly Loss[]])[] = [
  ['infoNce', { kind: 'infoNce', temperature: 0.3 }],
  [
    'infoNce with everything',
    {
      kind: 'infoNce',
      temperature: 0.2,
      hardNegativeWeight: 0.8,
      symmetricWeight: 0.3,
      excludeFalseNegatives: { above: 0.5, margin: 0.2 },
    },
  ],
  ['energyHinge', { kind: 'energyHinge', margin: 0.4 }],
  ['multiCsr', { kind: 'multiCsr', temperature: 0.2, above: 0.4 }],
  ['multiCsr at score 0', { kind: 'multiCsr', temperature: 0.2, above: 0.4, masked: 'zeroScore' }],
  ['qwen3', { kind: 'qwen3', temperature: 0.2, margin: 0.2 }],
  ['coSent', { kind: 'coSent', temperature: 0.2 }],
  ['triplet', { kind: 'triplet', margin: 0.4 }],
  ['distillation of vectors', { kind: 'distillation' }],
  ['distillation of similarities', { kind: 'distillation', target: 'similarities' }],
  [
    'distillation of similarities by KL',
    { kind: 'distillation', target: 'similarities', objective: 'kl', temperature: 0.3 },
  ],
  ['distillation of scores', { kind: 'distillation', target: 'scores' }],
  [
    'distillation of scores by KL',
    { kind: 'distillation', target: 'scores', objective: 'kl', teacherTemperature: 0.5 },
  ],
  [
    'a matryoshka beside a hinge',
    [
      {
        kind: 'matryoshka',
        sizes: [2, 5],
        weights: [0.5, 2],
        losses: [{ kind: 'infoNce', temperature: 0.3 }, { kind: 'distillation' }],
      },
      { kind: 'energyHinge', weight: 10 },
    ],
  ],
];

type Part = 'anchors' | 'positives' | 'hardNegatives';
const parts: readonly Part[] = ['anchors', 'positives', 'hardNegatives'];

function moved(part: Part, place: number, by: number): LossCase {
  const values = Float64Array.from(given[part]!);
  values[place]! += by;
  return { ...given, [part]: values };
}

describe('gradients match central differences in float64', () => {
  for (const [name, loss] of losses) {
    test(name, async () => {
      const gradient = gradientOf(await computeLossOf(loss, given, 'float64'));
      const step = 1e-6;
      let at = 0;
      let largest = 0;
      for (const part of parts) {
        for (let place = 0; place < given[part]!.length; ++place, ++at) {
          const [above, below] = await Promise.all(
            [step, -step].map((by) => computeLossOf(loss, moved(part, place, by), 'float64')),
          );
          const slope = (above!.value - below!.value) / (2 * step);
          largest = Math.max(largest, Math.abs(slope));
          const gap = Math.abs(slope - gradient[at]!);
          assert.ok(gap <= 1e-7 + 1e-6 * Math.abs(slope), `${part}[${place}]: ${slope}, ${gap}`);
        }
      }
      assert.ok(largest > 1e-3, 'expected a loss with a slope');
    });
  }

  test('the logarithm of a learned temperature', async () => {
    const of = (initial: number): Loss => ({
      kind: 'infoNce',
      temperature: { kind: 'learned', initial },
      hardNegativeWeight: 0.8,
      symmetricWeight: 0.3,
    });
    const step = 1e-6;
    const { dLogTemperature } = await computeLossOf(of(0.2), given, 'float64');
    const above = await computeLossOf(of(0.2 * Math.exp(step)), given, 'float64');
    const below = await computeLossOf(of(0.2 * Math.exp(-step)), given, 'float64');
    const slope = (above.value - below.value) / (2 * step);
    assert.ok(Math.abs(slope) > 0.1);
    assert.ok(Math.abs(slope - dLogTemperature) <= 1e-6, `${slope}, ${dLogTemperature}`);
  });
});

describe('values of the losses without golden numbers', () => {
  const { examples, width, anchors, positives, inputs } = given;
  const hard = given.hardNegatives!;
  const row = (values: Float32Array | Float64Array, i: number): readonly number[] =>
    Array.from(values.subarray(i * width, (i + 1) * width));
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const cosine = (a: readonly number[], b: readonly number[]): number =>
    dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  const own = Array.from({ length: examples }, (_, i) =>
    cosine(row(anchors, i), row(positives, i)),
  );
  const ownHard = Array.from(inputs.owner!, (i, h) => cosine(row(anchors, i), row(hard, h)));

  const close = async (loss: Loss, expected: number): Promise<void> => {
    const { value } = await computeLossOf(loss, given, 'float64');
    assert.ok(Math.abs(value - expected) <= 1e-12, `${value}, ${expected}`);
  };

  test('coSent', async () => {
    let sum = 1;
    for (const [u, high] of inputs.grades!.entries()) {
      for (const [v, low] of inputs.grades!.entries()) {
        if (high > low) sum += Math.exp((own[v]! - own[u]!) / 0.2);
      }
    }
    await close({ kind: 'coSent', temperature: 0.2 }, Math.log(sum));
  });

  test('triplet', async () => {
    const gaps = ownHard.map((value, h) => Math.max(0, 0.4 - own[inputs.owner![h]!]! + value));
    await close(
      { kind: 'triplet', margin: 0.4 },
      gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length,
    );
  });

  test('distillation of vectors', async () => {
    const teacher = (i: number): readonly number[] => row(inputs.teacherCandidates!, i);
    let sum = 0;
    for (let i = 0; i < examples; ++i) {
      sum += 4 - 2 * cosine(row(anchors, i), row(inputs.teacherAnchors!, i));
      sum -= 2 * cosine(row(positives, i), teacher(i));
    }
    for (let h = 0; h < ownHard.length; ++h)
      sum += 2 - 2 * cosine(row(hard, h), teacher(examples + h));
    await close({ kind: 'distillation' }, sum / (2 * examples + ownHard.length));
  });

  test('distillation of scores by KL', async () => {
    const scores = inputs.teacherScores!;
    let sum = 0;
    for (let i = 0; i < examples; ++i) {
      const student = [own[i]!, ownHard[2 * i]!, ownHard[2 * i + 1]!].map((x) => Math.exp(x / 0.3));
      const teacher = [i, examples + 2 * i, examples + 2 * i + 1].map((at) =>
        Math.exp(scores[at]! / 0.5),
      );
      const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
      for (const [k, value] of teacher.entries()) {
        const t = value / total(teacher);
        sum += t * Math.log(t / (student[k]! / total(student)));
      }
    }
    await close(
      {
        kind: 'distillation',
        target: 'scores',
        objective: 'kl',
        temperature: 0.3,
        teacherTemperature: 0.5,
      },
      sum / examples,
    );
  });
});
