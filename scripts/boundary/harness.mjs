// What the rows share: the test module, a running count of trials and failures, a seeded generator.
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const defaultModule = join(root, 'build/Release/simgpt_test.node');

const require = createRequire(import.meta.url);

/** The package's error class, as ts/errors.ts declares it: dist/ may not be built here. */
export class SimgptError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'SimgptError';
    this.code = code;
  }
}

export function loadModule(path) {
  const addon = require(path);
  addon.setErrorClass(SimgptError);
  return addon;
}

/** Trials and failures of one row; the first failures are kept in words. */
export class Tally {
  trials = 0;
  failures = 0;
  messages = [];
  notes = {};

  check(passed, message) {
    this.trials += 1;
    if (!passed) this.fail(typeof message === 'function' ? message() : message);
  }

  fail(message) {
    this.failures += 1;
    if (this.messages.length < 5) this.messages.push(message);
  }
}

/** A small generator with a seed (mulberry32): numbers in [0, 1). */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const turn = () => new Promise((done) => setImmediate(done));

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? null : sorted[Math.floor(sorted.length / 2)];
}

/**
 * The error a call throws or its promise rejects with; undefined where it succeeds.
 * @returns {Promise<(Error & { code?: string }) | undefined>}
 */
export async function errorOf(call) {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(`not an Error: ${String(error)}`);
  }
}

/** Waits until the body of a job has begun since `jobsBefore` was read. */
export async function untilRunning(addon, jobsBefore) {
  while (addon.counters().jobs === jobsBefore) await turn();
}

export const encoderSpec = Object.freeze({
  config: Object.freeze({
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
  }),
  tokenizer: Object.freeze({ kind: 'tokenizerJson', path: '/tokenizer.json' }),
  weights: Object.freeze(['/model.safetensors']),
  pooling: Object.freeze(['mean']),
  head: 'none',
  dense: Object.freeze([]),
  maxTokens: 16,
  backend: 'cpu',
  precision: 'float32',
});

/** Texts as the boundary takes them. */
export function packTexts(texts) {
  const parts = texts.map((text) => new TextEncoder().encode(text));
  const offsets = new Float64Array(parts.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = offsets[i] + part.length;
  });
  const bytes = new Uint8Array(offsets[parts.length]);
  parts.forEach((part, i) => bytes.set(part, offsets[i]));
  return [bytes, offsets];
}
