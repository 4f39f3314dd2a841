import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { Loss } from '#dist/train/loss.js';
import { computeLossOf, distance, furnishedCase, gradientOf, randomRows } from './loss_case.js';
import type { LossCase, RandomShape } from './loss_case.js';

// Sizes that no tile divides; two panels and three tiles at the largest.
const shapes: readonly RandomShape[] = [1, 31, 257].flatMap((examples) =>
  [0, 1, 3].map((hardNegatives) => ({ examples, hardNegatives, width: 40 })),
);

const plain: readonly [string, (temperature: number) => Loss | readonly Loss[]][] = [
  ['infoNce', (temperature) => ({ kind: 'infoNce', temperature })],
  [
    'infoNce with weight, symmetric, exclusion',
    (temperature) => ({
      kind: 'infoNce',
      temperature,
      hardNegativeWeight: 0.8,
      symmetricWeight: 0.3,
      excludeFalseNegatives: { above: 0.5, margin: 0.2 },
    }),
  ],
  [
    'infoNce with a learned temperature',
    (initial) => ({
      kind: 'infoNce',
      temperature: { kind: 'learned', initial },
      symmetricWeight: 1,
      hardNegativeWeight: -0.5,
    }),
  ],
  ['energyHinge', () => ({ kind: 'energyHinge', margin: 0.4 })],
  ['multiCsr', (temperature) => ({ kind: 'multiCsr', temperature, above: 0.4 })],
  ['qwen3', (temperature) => ({ kind: 'qwen3', temperature, margin: 0.05 })],
  [
    'qwen3 with others',
    (temperature) => ({ kind: 'qwen3', temperature, margin: 0.05, otherHardNegatives: true }),
  ],
  [
    'a matryoshka of a weighted sum',
    (temperature) => ({
      kind: 'matryoshka',
      sizes: [7, 33, 40],
      weights: [0.5, 1, 2],
      losses: [
        { kind: 'infoNce', temperature, weight: 0.7 },
        { kind: 'energyHinge', weight: 10 },
      ],
    }),
  ],
];

describe('the fused form equals float64 as nearly as plain float32 does', () => {
  for (const [name, loss] of plain) {
    test(name, async () => {
      for (const shape of shapes) {
        const given = furnishedCase(shape);
        for (const temperature of [1, 0.05, 0.01]) {
          const exact = await computeLossOf(loss(temperature), given, 'float64');
          const narrow = await computeLossOf(loss(temperature), given, 'float32');
          const fused = await computeLossOf(loss(temperature), given, 'fused');
          const where = `${JSON.stringify(shape)}, temperature ${temperature}`;
          assert.ok(Number.isFinite(fused.value), where);
          // A cosine is good to about 1e-7, a score to that over the temperature.
          const tolerance = 3e-7 + 1e-7 / temperature;
          const allowed = (plainError: number): number => 2 * plainError + tolerance;
          const error = Math.abs(fused.value - exact.value);
          const plainError = Math.abs(narrow.value - exact.value);
          assert.ok(error <= allowed(plainError) * Math.max(1, exact.value), `${where}: ${error}`);
          const target = gradientOf(exact);
          const gap = distance(gradientOf(fused), target, 1e-6);
          const plainGap = distance(gradientOf(narrow), target, 1e-6);
          assert.ok(gap <= allowed(plainGap), `${where}: gradient ${gap}, plain ${plainGap}`);
          assert.ok(
            Math.abs(fused.dLogTemperature - exact.dLogTemperature) <=
              allowed(0) * Math.max(1, Math.abs(exact.dLogTemperature)),
            `${where}: ${fused.dLogTemperature}, ${exact.dLogTemperature}`,
          );
          assert.ok(distance(fused.rowLosses, exact.rowLosses, 1e-3) <= 10 * tolerance, where);
        }
      }
    });
  }
});

type Rows = Pick<LossCase, 'anchors' | 'positives' | 'hardNegatives'>;

/** A fixed random direction of a case's rows. */
function directionOf({ anchors, positives, hardNegatives }: Rows): Rows {
  return {
    anchors: randomRows(77, 1, anchors.length),
    positives: randomRows(77, 2, positives.length),
    hardNegatives: hardNegatives && randomRows(77, 3, hardNegatives.length),
  };
}

function moved(given: LossCase, along: Rows, by: number): LossCase {
  const move = (values: Float64Array, direction: Float64Array): Float64Array =>
    values.map((value, i) => value + by * direction[i]!);
  return {
    ...given,
    anchors: move(given.anchors, along.anchors),
    positives: move(given.positives, along.positives),
    hardNegatives: given.hardNegatives && move(given.hardNegatives, along.hardNegatives!),
  };
}

const inOneList = ({ anchors, positives, hardNegatives = new Float64Array(0) }: Rows) =>
  Float64Array.of(...anchors, ...positives, ...hardNegatives);

describe('float64 gradients match central differences at every shape and temperature', () => {
  // The hinge within the matryoshka has corners, which a difference may step over.
  for (const [name, loss] of plain.slice(0, -1)) {
    test(name, async () => {
      for (const shape of shapes) {
        const given = furnishedCase({ ...shape, width: 12 });
        const large = shape.examples > 100;
        if (large && shape.hardNegatives > 1) continue;
        for (const temperature of large ? [0.05] : [1, 0.05, 0.01]) {
          const exact = await computeLossOf(loss(temperature), given, 'float64');
          const step = 1e-7;
          const along = directionOf(given);
          const direction = inOneList(along);
          const expected = inOneList(exact).reduce(
            (sum, slope, i) => sum + slope * direction[i]!,
            0,
          );
          const [above, below] = await Promise.all(
            [step, -step].map((by) =>
              computeLossOf(loss(temperature), moved(given, along, by), 'float64'),
            ),
          );
          const slope = (above!.value - below!.value) / (2 * step);
          // Rounding of the values over the step, and the third derivative, which a low temperature
          // makes large.
          const allowed = 1e-7 * Math.max(1, exact.value) + 1e-5 * Math.abs(slope) + 1e-6;
          const where = `${JSON.stringify(shape)}, temperature ${temperature}`;
          assert.ok(Math.abs(slope - expected) <= allowed, `${where}: ${slope}, ${expected}`);
        }
      }
    });
  }
});
