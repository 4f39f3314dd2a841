import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { fillPhilox } from '#dist/random/philox.js';
import { createBatches } from '#dist/dataset/batches.js';
import type { TrainingBatch } from '#dist/dataset/batches.js';
import type { TrainingExample } from '#dist/dataset/training_example.js';
import { SimgptError } from '#dist/errors.js';
import type { SentenceEmbeddings } from '#dist/encoder/sentence_encoder.js';
import type { BatchSource, Evaluate, LossOfBatch, TrainableModel } from '#dist/train/trainable.js';

const inputs = 24;
const outputs = 8;
const temperature = 0.5;

/** Counts of letters and their neighbours: what the model below is linear in. */
function features(text: string): Float64Array {
  const counts = new Float64Array(inputs);
  for (let i = 0; i < text.length; ++i) {
    const code = text.charCodeAt(i) + 7 * text.charCodeAt((i + 1) % text.length);
    counts[code % inputs]! += 1;
  }
  return counts;
}

export interface LinearModel extends TrainableModel {
  /** Puts a value that is no number where the next batch meets it. */
  readonly poison: () => void;
  readonly weights: Float64Array;
}

/**
 * A model small enough for a thousand runs and yet honest: W [outputs, inputs] on letter counts,
 * multiplicative noise by counters (seed, step, example, role), InfoNCE over the batch with its
 * exact gradient, and Adam with its moments. All of it is what a checkpoint must bring back.
 */
export function linearModel(seed: number): LinearModel {
  const size = inputs * outputs;
  const weights = new Float64Array(size);
  const moments = [new Float64Array(size), new Float64Array(size)] as const;
  let gradient = new Float64Array(size);
  let updates = 0;
  const words = new Uint32Array(size);
  fillPhilox(words, { seed, stream: 0, draw: 0 });
  for (let i = 0; i < size; ++i) weights[i] = words[i]! / 2 ** 32 - 0.5;

  const noisy = (text: string, step: number, place: number): Float64Array => {
    const values = features(text);
    const bits = new Uint32Array(inputs);
    fillPhilox(bits, { seed, stream: 1 + step, draw: place });
    return values.map((value, i) => value * (0.8 + (0.4 * bits[i]!) / 2 ** 32));
  };
  const project = (values: Float64Array): Float64Array => {
    const out = new Float64Array(outputs);
    for (let o = 0; o < outputs; ++o) {
      for (let i = 0; i < inputs; ++i) out[o]! += weights[o * inputs + i]! * values[i]!;
    }
    return out;
  };

  const accumulate = async ({ step, examples }: TrainingBatch): Promise<LossOfBatch> => {
    await Promise.resolve();
    const n = examples.length;
    const anchors = examples.map(({ anchor }, i) => noisy(anchor, step, 2 * i));
    const others = examples.map(({ positive }, i) => noisy(positive, step, 2 * i + 1));
    const a = anchors.map(project);
    const p = others.map(project);
    let loss = 0;
    for (let i = 0; i < n; ++i) {
      const scores = p.map((other) => dot(a[i]!, other) / temperature / outputs);
      const most = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - most));
      const sum = powers.reduce((total, power) => total + power, 0);
      loss += (Math.log(sum) + most - scores[i]!) / n;
      for (let j = 0; j < n; ++j) {
        const slope = (powers[j]! / sum - (i === j ? 1 : 0)) / (n * temperature * outputs);
        for (let o = 0; o < outputs; ++o) {
          for (let k = 0; k < inputs; ++k) {
            const at = o * inputs + k;
            gradient[at]! += slope * (p[j]![o]! * anchors[i]![k]! + a[i]![o]! * others[j]![k]!);
          }
        }
      }
    }
    return { loss, parts: { infoNce: loss } };
  };
  const update: TrainableModel['update'] = async ({ learningRate, maxGradNorm }) => {
    await Promise.resolve();
    const bad = gradient.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new SimgptError('trainingDiverged', 'expected the gradient of weights to be finite');
    }
    const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    const factor = maxGradNorm === null ? 1 : Math.min(1, maxGradNorm / norm);
    updates += 1;
    for (let i = 0; i < size; ++i) {
      const slope = gradient[i]! * factor;
      moments[0][i] = 0.9 * moments[0][i]! + 0.1 * slope;
      moments[1][i] = 0.999 * moments[1][i]! + 0.001 * slope * slope;
      const first = moments[0][i]! / (1 - 0.9 ** updates);
      const second = moments[1][i]! / (1 - 0.999 ** updates);
      weights[i]! -= (learningRate * first) / (Math.sqrt(second) + 1e-8);
    }
    gradient = new Float64Array(size);
    return norm;
  };
  return {
    weights,
    poison: () => gradient.fill(Number.NaN, 0, 1),
    accumulate,
    update,
    embed: (texts) => Promise.resolve(embedWith(project, texts)),
    saveState: async (path) => {
      const state = { updates, weights: [...weights], moments: moments.map((m) => [...m]) };
      await writeFile(path, JSON.stringify(state), { flag: 'wx' });
    },
    loadState: async (path) => {
      const state = JSON.parse(await readFile(path, 'utf8')) as {
        updates: number;
        weights: number[];
        moments: [number[], number[]];
      };
      ({ updates } = state);
      weights.set(state.weights);
      moments.forEach((moment, i) => moment.set(state.moments[i]!));
      gradient.fill(0);
    },
    exportModel: async (folder) => {
      await mkdir(folder);
      await writeFile(join(folder, 'weights.json'), JSON.stringify([...weights]));
    },
  };
}

function embedWith(
  project: (values: Float64Array) => Float64Array,
  texts: readonly string[],
): SentenceEmbeddings {
  const embeddings = new Float32Array(texts.length * outputs);
  for (const [row, text] of texts.entries()) {
    embeddings.set(project(features(text)), row * outputs);
  }
  return { embeddings, shape: [texts.length, outputs], truncated: new Uint8Array(texts.length) };
}

function dot(x: Float64Array, y: Float64Array): number {
  return x.reduce((sum, value, i) => sum + value * y[i]!, 0);
}

/** Pairs that it trains on. */
export const pairCount = 23;

const pairs = Array.from({ length: pairCount }, (_, row): TrainingExample => {
  const letters = (shift: number): string =>
    Array.from({ length: 12 }, (__, i) =>
      String.fromCharCode(97 + ((row * 5 + i * (shift + 3)) % 26)),
    ).join('');
  return {
    id: `row-${row}`,
    line: row + 1,
    anchor: letters(0),
    positive: letters(1),
    hardNegatives: [],
    source: 'letters',
    replaced: false,
  };
});

/** 23 pairs in batches of 5: the last of each epoch has three. Order by (seed, epoch). */
export function pairBatches(seed: number): BatchSource {
  return createBatches([{ examples: pairs }], { batchSize: 5, seed });
}

/** How much nearer than strangers the pairs are: a score that moves as the model learns. */
export const evaluatePairs: Evaluate = async (model, signal) => {
  const left = await model.embed(pairs.map(({ anchor }) => anchor));
  const right = await model.embed(pairs.map(({ positive }) => positive));
  if (signal?.aborted) throw new SimgptError('cancelled', 'evaluation was cancelled');
  const row = (from: SentenceEmbeddings, i: number) =>
    Float64Array.from(from.embeddings.subarray(i * outputs, (i + 1) * outputs));
  let score = 0;
  for (let i = 0; i < pairs.length; ++i) {
    const own = cosine(row(left, i), row(right, i));
    score += (own - cosine(row(left, i), row(right, (i + 1) % pairs.length))) / pairs.length;
  }
  return { scores: { pairs: score }, score, alignment: null, uniformity: null };
};

function cosine(x: Float64Array, y: Float64Array): number {
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}
