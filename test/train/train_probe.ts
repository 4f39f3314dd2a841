import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import type { CheckpointOptions } from '#dist/encoder/checkpoint.js';
import type { NativeEncoderSpec } from '#dist/native.js';
import type { NativeTraining } from '#dist/native_training.js';
import { loadTestModule } from '../native/test_module.js';
import type { TestModule } from '../native/test_module.js';
import { repoRoot } from '../shared_data.js';

export type Numbers = Float32Array | Float64Array;

/** How a model trains; what is absent has the module's default (native/boundary/test_training.cc). */
export interface TrainSettings {
  readonly trains?: 'all' | 'bitFit' | 'deepPrompt' | 'lora' | 'head';
  readonly freshHead?: boolean;
  readonly headWhenEvaluating?: boolean;
  readonly hiddenDropout?: number;
  readonly attentionDropout?: number;
  readonly promptLength?: number;
  readonly promptProjection?: number;
  readonly loraRank?: number;
  readonly loraAlpha?: number;
  readonly mlm?: boolean;
  readonly maskRate?: number;
  readonly maskTokenId?: number;
  readonly specialIds?: readonly number[];
  readonly seed?: number;
}

/** One step with a loss that couples all rows. */
export interface StepSettings {
  /** 'operators': plain operators and autograd, on backend 'reference'. Default 'packed'. */
  readonly engine?: 'packed' | 'operators';
  /** Embeds alone. */
  readonly evaluates?: boolean;
  /** Absent: no dropout. */
  readonly step?: number;
  readonly dropoutSeed?: number;
  readonly chunkTokens?: number;
  readonly mlmWeight?: number;
  /** Is cancelled once between loss and way back, then runs. */
  readonly interrupts?: boolean;
  /** Adds delta to number `index` of that parameter, or with index -1 a pattern to all of it. */
  readonly changed?: string;
  readonly index?: number;
  readonly delta?: number;
  readonly exampleIds?: readonly number[];
  readonly roles?: readonly number[];
}

export interface StepResult {
  readonly embeddings: Numbers;
  readonly loss: number;
  readonly mlmLoss: number;
  readonly masked: number;
  readonly chunks: number;
  /** Held after the step: parameters, gradients, and the memory of passes. */
  readonly bytes: number;
  /** The code of the cancelled run. */
  readonly interrupted: string;
  /** The first parameter whose gradient holds NaN or infinity; empty: none. */
  readonly notFinite: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly trainable: boolean;
    readonly decays: boolean;
    readonly value: Numbers;
    readonly grad?: Numbers;
  }[];
  readonly checkpoint: Readonly<Record<string, Numbers>>;
  readonly adapter: Readonly<Record<string, Numbers>>;
}

interface TrainingModule extends TestModule {
  trainStep(
    spec: NativeEncoderSpec,
    train: TrainSettings,
    step: StepSettings,
    tokenIds: Int32Array,
    cuSeqlens: Int32Array,
  ): Promise<StepResult>;
  countTrainable(
    spec: NativeEncoderSpec,
    train: TrainSettings,
  ): { readonly total: number; readonly trainable: number };
  /** NaN and infinity too, in a parameter's values or gradient. */
  readonly plantValue: (
    this: NativeTraining,
    name: string,
    where: 'value' | 'gradient',
    index: number,
    number: number,
  ) => Promise<void>;
  drawWords(draw: Readonly<Record<string, number | boolean>>): Int32Array;
  /** 1 where an element is kept, 0 where it is dropped; [rows, count] each. */
  dropoutMasks(
    draw: Readonly<Record<string, number | readonly number[]>>,
  ): Readonly<Record<'kernels' | 'operators', Int32Array>>;
}

export const loadTrainingModule = (): TrainingModule => loadTestModule() as TrainingModule;

export interface ModelOptions extends CheckpointOptions {
  readonly precision?: 'float32' | 'bfloat16' | 'float64';
}

export async function modelSpec(
  dir: string,
  { precision = 'float64', ...options }: ModelOptions = {},
): Promise<NativeEncoderSpec> {
  return { ...(await readCheckpoint(dir, options)), backend: 'cpu', precision };
}

export const goldenDir = (name: string): string => join(repoRoot, 'test/golden', name);

/** The golden texts' ids of at most `most` tokens, packed. */
export async function goldenRows(name: string, most = 40): Promise<[Int32Array, Int32Array]> {
  const golden = JSON.parse(await readFile(join(goldenDir(name), 'golden.json'), 'utf8')) as {
    readonly texts: readonly { readonly tokenIds: readonly number[] }[];
  };
  const rows = golden.texts.map((text) => text.tokenIds).filter((ids) => ids.length <= most);
  const starts = new Int32Array(rows.length + 1);
  for (const [i, ids] of rows.entries()) starts[i + 1] = (starts[i] ?? 0) + ids.length;
  return [Int32Array.from(rows.flat()), starts];
}

/** Runs one step; examples are numbered from 7, roles alternate, unless stated. */
export function trainStep(
  module: TrainingModule,
  spec: NativeEncoderSpec,
  train: TrainSettings,
  step: StepSettings,
  [tokenIds, cuSeqlens]: readonly [Int32Array, Int32Array],
): Promise<StepResult> {
  const rows = Array.from({ length: cuSeqlens.length - 1 }, (_, i) => i);
  return module.trainStep(
    spec,
    { trains: 'all', hiddenDropout: 0, attentionDropout: 0, ...train },
    {
      engine: 'packed',
      mlmWeight: 0,
      changed: '',
      delta: 0,
      exampleIds: rows.map((i) => 7 + (i >> 1)),
      roles: rows.map((i) => i % 2),
      ...step,
    },
    tokenIds,
    cuSeqlens,
  );
}

/** The largest difference over the largest number of `expected`, at least 1e-3. */
export function worstDifference(actual: Numbers, expected: Numbers): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  let scale = 1e-3;
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs(value - (actual[i] ?? Number.NaN));
    if (!(difference <= worst)) worst = difference;
    scale = Math.max(scale, Math.abs(value));
  }
  return worst / scale;
}
