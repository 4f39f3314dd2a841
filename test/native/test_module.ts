import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SimgptError } from '#dist/errors.js';
import type { NativeBinding, NativeEncoder, NativeEncoderSpec } from '#dist/native.js';
import { repoRoot } from '../shared_data.js';

/** The boundary around an encoder without a model, with faults on request (CMakeLists.txt). */
export interface TestModule extends NativeBinding {
  setFault(stage: string, kind: string): void;
  clearFault(): boolean;
  counters(): {
    readonly tiles: number;
    readonly jobs: number;
    readonly liveEncoders: number;
    readonly wakesAfterClosing: number;
    readonly externalBytes: number;
  };
  configureEncoder(settings: {
    readonly loadTiles?: number;
    readonly embedTiles?: number;
    readonly tileMs?: number;
    readonly bytes?: number;
  }): void;
  runTiles(
    work: {
      readonly tiles: number;
      readonly tileMs: number;
      readonly work: 'sleep' | 'matmul' | 'write';
    },
    token: number,
    onProgress?: (done: number, total: number) => void,
  ): Promise<number>;
  makeTensor(bytes: number): Promise<TestTensor>;
  cgroupQuota(processCgroup: string, mount: string): number | null;
  parseThreads(text: string): number;
  /** InfoNCE of random embeddings; 'plain' is cross entropy over one matrix with autograd. */
  measureInfoNce(
    request: {
      readonly examples: number;
      readonly hardNegatives: number;
      readonly width: number;
      readonly temperature: number;
      readonly rounds: number;
      readonly seed: number;
      readonly form: 'fused' | 'reference' | 'plain';
    },
    token: number,
  ): Promise<MeasuredLoss>;
  /** The first `decaying` values are one parameter, the rest another without decay. */
  adamWSteps<Numbers extends Float32Array | Float64Array>(
    values: Numbers,
    /** [steps, values] */
    gradients: Numbers,
    options: {
      readonly decaying: number;
      /** How many times over all of it is there. */
      readonly copies: number;
      readonly learningRates: Float64Array;
      /** Of no effect; the rates above are. */
      readonly learningRate: number;
      readonly maxGradNorm?: number;
      readonly weightDecay: number;
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
    },
    token: number,
  ): Promise<{ readonly values: Numbers; readonly norms: Float64Array }>;
  threadState(): Promise<{
    readonly ours: number;
    readonly libtorch: number;
    readonly openmp: number;
  }>;
}

export interface MeasuredLoss {
  readonly value: number;
  /** The gradient of the anchors. */
  readonly anchors: Float32Array;
  readonly seconds: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
  /** The most that tensors held at once, inputs and gradients not counted. */
  readonly extraBytes: number;
}

export interface TestTensor {
  values(): Promise<Float32Array>;
  dispose(): Promise<void>;
}

export const addonPath = join(repoRoot, 'build/Release/simgpt.node');
export const modulePath = join(repoRoot, 'build/Release/simgpt_test.node');

/** For `node:test` options: the reason to skip, or false where the module was built. */
export const skipWithoutModule: string | false = existsSync(modulePath)
  ? false
  : 'the test module is not built (SIMGPT_TEST_HOOKS)';

const require = createRequire(import.meta.url);

export function loadTestModule(): TestModule {
  const loaded = require(modulePath) as TestModule;
  loaded.setErrorClass(SimgptError);
  return loaded;
}

export const encoderSpec: NativeEncoderSpec = {
  config: {
    modelType: 'bert',
    vocabSize: 100,
    hiddenSize: 8,
    layerCount: 1,
    headCount: 1,
    intermediateSize: 8,
    maxPositions: 16,
    typeVocabSize: 2,
    layerNormEps: 1e-12,
    activation: 'gelu',
    positionOffset: 0,
    padTokenId: 0,
  },
  tokenizer: { kind: 'tokenizerJson', path: '/tokenizer.json' },
  weights: ['/model.safetensors'],
  pooling: ['mean'],
  head: 'none',
  dense: [],
  maxTokens: 16,
  backend: 'cpu',
  precision: 'float32',
};

export function packTexts(...texts: readonly string[]): [Uint8Array, Float64Array] {
  const parts = texts.map((text) => new TextEncoder().encode(text));
  const offsets = new Float64Array(parts.length + 1);
  let length = 0;
  for (const [i, part] of parts.entries()) {
    length += part.length;
    offsets[i + 1] = length;
  }
  return [Buffer.concat(parts), offsets];
}

export async function withEncoder(
  module: TestModule,
  use: (encoder: NativeEncoder) => Promise<void>,
): Promise<void> {
  const encoder = await module.loadEncoder(encoderSpec, 0);
  try {
    await use(encoder);
  } finally {
    await encoder.dispose();
  }
}

/** A job that runs until it is cancelled by that token. */
export function blockLane(module: TestModule, token: number): Promise<void> {
  return module.runTiles({ tiles: 1_000_000, tileMs: 1, work: 'sleep' }, token).then(
    () => undefined,
    () => undefined,
  );
}
