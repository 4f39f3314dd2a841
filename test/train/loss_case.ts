import { native } from '#dist/native.js';
import type {
  NativeLossBackend,
  NativeLossInputs,
  NativeLossResult,
} from '#dist/native_training.js';
import { fillPhilox } from '#dist/random/philox.js';
import type { Loss } from '#dist/train/loss.js';
import { toNativeLosses } from '#dist/train/native_loss.js';

/** Embeddings of n examples with h hard negatives, and what a loss may ask beside them. */
export interface LossCase {
  readonly examples: number;
  readonly width: number;
  readonly anchors: Float64Array;
  readonly positives: Float64Array;
  readonly hardNegatives?: Float64Array | undefined;
  readonly inputs: NativeLossInputs;
}

/** The two-dimensional rows of METHODS 13. */
export const goldenCase: LossCase = {
  examples: 2,
  width: 2,
  anchors: Float64Array.of(1, 0, 0, 1),
  positives: Float64Array.of(0.8, 0.6, 0.28, 0.96),
  hardNegatives: Float64Array.of(0.96, -0.28, -0.8, 0.6),
  inputs: { owner: Int32Array.of(0, 1) },
};

export function withoutHardNegatives({ inputs, ...rest }: LossCase): LossCase {
  return { ...rest, hardNegatives: undefined, inputs: { ...inputs, owner: undefined } };
}

/** Sums of three uniform numbers: near enough to normal ones, by counters. */
export function randomRows(seed: number, stream: number, count: number): Float64Array {
  const bits = new Uint32Array(3 * count);
  fillPhilox(bits, { seed, stream, draw: 0 });
  return Float64Array.from({ length: count }, (_, i) => {
    const sum = bits[3 * i]! + bits[3 * i + 1]! + bits[3 * i + 2]!;
    return (sum / 2 ** 32 - 1.5) * 2;
  });
}

export interface RandomShape {
  readonly examples: number;
  readonly width: number;
  /** Hard negatives of each example. */
  readonly hardNegatives: number;
  readonly seed?: number;
}

/** Positives and hard negatives near their anchors, as in training; norms far from 1. */
export function randomCase({ examples, width, hardNegatives, seed = 5 }: RandomShape): LossCase {
  const anchors = randomRows(seed, 1, examples * width);
  const near = (stream: number, rows: number, share: number, of: (row: number) => number) => {
    const noise = randomRows(seed, stream, rows * width);
    return noise.map((value, at) => {
      const row = Math.floor(at / width);
      return (1 - share) * value + share * anchors[of(row) * width + (at % width)]!;
    });
  };
  const hard = examples * hardNegatives;
  const owner = Int32Array.from({ length: hard }, (_, h) => Math.floor(h / hardNegatives));
  return {
    examples,
    width,
    anchors,
    positives: near(2, examples, 0.6, (row) => row),
    hardNegatives: hard > 0 ? near(3, hard, 0.4, (row) => owner[row]!) : undefined,
    inputs: hard > 0 ? { owner } : {},
  };
}

/** What each loss may ask of a batch: equal texts and classes, weights, foreign embeddings. */
export function furnishedCase(shape: RandomShape): LossCase {
  const given = randomCase(shape);
  const { examples, hardNegatives, seed = 5 } = shape;
  const hard = examples * hardNegatives;
  const width = 12;
  const texts = 2 * examples + hard;
  const inputs: NativeLossInputs = {
    ...given.inputs,
    // A tenth of the texts are there twice; examples 0, 7, 14, ... are of one class.
    textIds: Int32Array.from({ length: texts }, (_, i) => (i % 10 === 9 ? i - 9 : i)),
    groupIds: Int32Array.from({ length: texts }, (_, i) => {
      const example = i < 2 * examples ? i % examples : given.inputs.owner![i - 2 * examples]!;
      return example % 7 === 0 ? -1 : example;
    }),
    rowWeights: randomRows(seed + 1, 4, examples).map((value) => 1 + Math.abs(value)),
    grades: randomRows(seed + 1, 5, examples).map((value) => Math.round(value * 2)),
    teacherScores: randomRows(seed + 1, 6, examples + hard).map((value) => value / 3),
    referenceAnchors: Float32Array.from(randomRows(seed + 1, 7, examples * width)),
    referenceCandidates: Float32Array.from(randomRows(seed + 1, 8, (examples + hard) * width)),
    teacherAnchors: Float32Array.from(randomRows(seed + 1, 9, examples * given.width)),
    teacherCandidates: Float32Array.from(randomRows(seed + 1, 10, (examples + hard) * given.width)),
  };
  return { ...given, inputs };
}

/** Float64 goes to the reference alone. */
export type LossForm = 'float64' | 'float32' | 'fused';

export async function computeLossOf(
  losses: Loss | readonly Loss[],
  given: LossCase,
  form: LossForm,
): Promise<NativeLossResult<Float64Array>> {
  const { examples, anchors, positives, hardNegatives, inputs } = given;
  const backend: NativeLossBackend = form === 'fused' ? 'fused' : 'reference';
  const embeddings = { examples, anchors, positives, hardNegatives };
  const spec = toNativeLosses(losses);
  if (form === 'float64') return native().computeLoss(spec, embeddings, inputs, backend, 0);
  const narrow = {
    examples,
    anchors: Float32Array.from(anchors),
    positives: Float32Array.from(positives),
    hardNegatives: hardNegatives && Float32Array.from(hardNegatives),
  } as const;
  const result = await native().computeLoss(spec, narrow, inputs, backend, 0);
  const { anchors: dAnchors, positives: dPositives, hardNegatives: dHard, ...values } = result;
  return {
    ...values,
    anchors: Float64Array.from(dAnchors),
    positives: Float64Array.from(dPositives),
    ...(dHard && { hardNegatives: Float64Array.from(dHard) }),
  };
}

/** Anchors', positives' and hard negatives' gradients in one list. */
export function gradientOf(result: NativeLossResult<Float64Array>): Float64Array {
  const { anchors, positives, hardNegatives = new Float64Array(0) } = result;
  return Float64Array.of(...anchors, ...positives, ...hardNegatives);
}

/** |a - b| over |b|, as vectors; `floor` keeps it finite where both are nothing. */
export function distance(a: Float64Array, b: Float64Array, floor = 1e-12): number {
  let gap = 0;
  let size = 0;
  for (const [i, value] of b.entries()) {
    gap += (a[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(gap) / Math.max(Math.sqrt(size), floor);
}
