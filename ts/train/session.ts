import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import type { Checkpoint } from '../encoder/checkpoint.js';
import { exportCheckpoint } from '../encoder/export.js';
import type { ExportOptions } from '../encoder/export.js';
import { packTexts } from '../encoder/pack.js';
import { SimgptError } from '../errors.js';
import { writeFailure } from '../files/atomic.js';
import { runJob } from '../native.js';
import type { NativeTrainingEncoder } from '../native.js';
import type { NativeAccumulateResult, NativeStepOptions } from '../native_training.js';
import { askForeignEncoders, flattenBatch } from './gradient_batch.js';
import type { FlatBatch } from './gradient_batch.js';
import type {
  AccumulateOptions,
  ExampleBatch,
  GradientBatch,
  Loss,
  LossValue,
  NoisyReference,
} from './loss.js';
import { learnedTemperature, toNativeLosses } from './native_loss.js';
import { saveAdapter } from './save_adapter.js';
import type { Trains } from './training_options.js';

/** What an encoder in training knows beside its handle. */
export interface TrainingSession {
  readonly native: NativeTrainingEncoder;
  readonly checkpoint: Checkpoint;
  readonly trains: Trains;
  readonly trainingTokens: number | undefined;
  /** 'none': the head is left out of what is saved. */
  readonly testHead: 'asTrained' | 'none';
  /** Examples whose gradients wait for a step, as errors call them. */
  waiting: readonly string[];
  step: number | undefined;
}

const sessions = new WeakMap<object, TrainingSession>();

export function registerSession(encoder: object, session: TrainingSession): void {
  sessions.set(encoder, session);
}

/** Throws TypeError for an encoder that was loaded without `trains`. */
export function sessionOf(encoder: object): TrainingSession {
  const session = sessions.get(encoder);
  if (session !== undefined) return session;
  throw new TypeError(
    "expected an encoder that trains: Encoder.load(dir, { trains: { kind: 'all' } })",
  );
}

const mostNamed = 20;

function diverged(step: number | undefined, tensor: string, names: readonly string[]): SimgptError {
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
  const examples =
    names.length > 0 ? ` (examples ${names.slice(0, mostNamed).join(', ')}${more})` : '';
  const where = step === undefined ? '' : `step ${step}: `;
  return new SimgptError(
    'trainingDiverged',
    `${where}expected finite numbers in ${tensor}, received NaN or infinity${examples}`,
  );
}

function checkCount(name: string, value: number | undefined, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= most)) return;
  throw new RangeError(`expected ${name} to be an integer from 0 to ${most}, received ${value}`);
}

function lossValue(
  result: Exclude<NativeAccumulateResult, { readonly notFinite: object }>,
  mlmWeight: number,
): LossValue {
  const { value, parts, mlmLoss, rowLosses, truncated } = result;
  const mlm = mlmWeight > 0 ? [['mlm', mlmLoss] as const] : [];
  return {
    loss: value + mlmWeight * mlmLoss,
    parts: Object.fromEntries([...parts, ...mlm]),
    exampleLosses: rowLosses,
    truncated,
  };
}

/** See `Encoder.accumulateGradients`. */
export async function accumulate(
  session: TrainingSession,
  batch: GradientBatch | ExampleBatch,
  losses: Loss | readonly Loss[],
  options: AccumulateOptions,
): Promise<LossValue> {
  const { chunkTokens = 0, mlmWeight = 0, signal } = options;
  const step = options.step ?? ('examples' in batch ? batch.step : undefined);
  checkCount('step', step, 2 ** 32 - 1);
  checkCount('chunkTokens', chunkTokens, 2 ** 30);
  if (!(mlmWeight >= 0)) throw new RangeError(`expected mlmWeight >= 0, received ${mlmWeight}`);
  const list: readonly Loss[] = Array.isArray(losses) ? losses : [losses as Loss];
  const nativeLosses = toNativeLosses(list);
  const flat: FlatBatch = flattenBatch(batch);
  const { bytes, offsets } = packTexts(flat.texts, {
    lowercase: session.checkpoint.lowercaseText,
  });
  const stepNow = async (): Promise<number> => step ?? (await session.native.progress()).steps;
  const request = {
    examples: flat.examples,
    exampleIds: flat.exampleIds,
    losses: nativeLosses,
    inputs: await askForeignEncoders(flat, list, stepNow, signal),
    learnedTemperature: learnedTemperature(list),
    step,
    dropout: options.withoutDropout !== true,
    maxTokens: session.trainingTokens ?? 0,
    chunkTokens,
    mlmWeight,
  };
  const result = await runJob(signal, (token) =>
    session.native.accumulate(bytes, offsets, request, token),
  ).catch((error: unknown) => {
    session.waiting = [];
    throw error;
  });
  session.step = step;
  if (result.notFinite !== undefined) {
    session.waiting = [];
    const { tensor, examples } = result.notFinite;
    throw diverged(
      step,
      tensor,
      examples.map((place) => flat.names[place]!),
    );
  }
  session.waiting = [...session.waiting, ...flat.names];
  return lossValue(result, mlmWeight);
}

/**
 * An encoder loaded with `trains` as a reference whose dropout stays on (METHODS D4). Its masks are
 * functions of its own seed, the step and the example. Throws TypeError without `trains`.
 */
export function withDropout(encoder: object): NoisyReference {
  const session = sessionOf(encoder);
  return {
    embedExamples: async ({ texts, ...asked }, signal) => {
      const { bytes, offsets } = packTexts(texts, { lowercase: session.checkpoint.lowercaseText });
      const request = { ...asked, maxTokens: session.trainingTokens ?? 0 };
      const rows = await runJob(signal, (token) =>
        session.native.embedExamples(bytes, offsets, request, token),
      );
      return Float32Array.from(rows);
    },
  };
}

/** One optimizer step; resolves to the gradient's norm before clipping. */
export async function optimize(
  session: TrainingSession,
  options: NativeStepOptions,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { waiting } = session;
  const { gradNorm, notFinite } = await runJob(signal, (token) =>
    session.native.step(options, token),
  );
  session.waiting = [];
  if (notFinite !== undefined) {
    throw diverged(session.step, `the gradient of ${notFinite}`, waiting);
  }
  return gradNorm;
}

/**
 * Writes the model as it is now: a sentence-transformers folder, LoRA merged into its weights, the
 * adapter beside them. Throws as `exportCheckpoint` does.
 */
export async function saveSession(
  session: TrainingSession,
  target: string,
  { signal, dtype }: Pick<ExportOptions, 'signal' | 'dtype'> = {},
): Promise<void> {
  const { native, checkpoint, testHead } = session;
  const path = resolve(target);
  const work = await mkdtemp(join(dirname(path), '.simgpt-save-')).catch((error: unknown) => {
    throw writeFailure(path, error);
  });
  try {
    const weights = join(work, 'model.safetensors');
    await runJob(signal, (token) => native.saveTensors(weights, 'weights', '', token));
    const dense = checkpoint.dense.map((module, place) => ({
      ...module,
      weights: join(work, `dense_${place}.safetensors`),
    }));
    for (const [place, module] of dense.entries()) {
      const prefix = `dense.${place}.`;
      await runJob(signal, (token) => native.saveTensors(module.weights, 'weights', prefix, token));
    }
    const head = testHead === 'none' ? 'none' : checkpoint.head;
    // What is trained of a prompt is written beside the weights.
    const trained: Checkpoint = {
      ...checkpoint,
      weights: [weights],
      dense,
      head,
      deepPrompt: undefined,
    };
    await exportCheckpoint(trained, path, {
      signal,
      dtype,
      ...(session.trains.kind === 'lora' || session.trains.kind === 'deepPrompt'
        ? { addTo: (folder: string) => saveAdapter(session, folder, signal) }
        : {}),
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
