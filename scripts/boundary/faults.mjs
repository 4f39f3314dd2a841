// A3: seven kinds of exception, among them five that are no simgpt::Error, at every stage of every
// call: an error with its message and the caller's stack, and the next call works.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SimgptError, encoderSpec, errorOf, loadModule, packTexts } from './harness.mjs';
import {
  exampleRequest,
  trainRequest,
  trainSpec,
  trainStep,
  trainedSpec,
} from './training_scene.mjs';

const stages = [
  'binding',
  'arguments',
  'schedule',
  'beforeRun',
  'run',
  'progress',
  'afterRun',
  'report',
  'result',
  'release',
];

const kinds = {
  simgpt: { code: 'dataInvalid', message: 'a seeded failure' },
  c10: { code: 'nativeFailure', message: 'a seeded c10 failure' },
  c10Memory: { code: 'outOfMemory', message: 'a seeded allocation failure' },
  runtime: { code: 'nativeFailure', message: 'a seeded runtime error' },
  badAlloc: { code: 'outOfMemory', message: 'the machine has no memory left for this' },
  int: { code: 'nativeFailure', message: 'native code threw an unknown exception' },
  range: { code: 'RangeError', message: 'expected a seeded number > 0, received 0' },
};

const progress = () => {};
const pair = packTexts(['a', 'b']);
const lossRows = {
  examples: 1,
  anchors: new Float32Array([1, 2]),
  positives: new Float32Array([1, 3]),
};
const model = trainedSpec.weights[0];
const operations = {
  loadEncoder: ({ addon }) => addon.loadEncoder(encoderSpec, 0),
  embed: ({ encoder }) => encoder.embed(...packTexts(['a']), undefined, 0, progress),
  tokenize: ({ encoder }) => encoder.tokenize(...packTexts(['a']), undefined, 0),
  info: ({ encoder }) => encoder.info(),
  runTiles: ({ addon }) => addon.runTiles({ tiles: 2, tileMs: 0, work: 'sleep' }, 0, progress),
  makeTensor: ({ addon }) => addon.makeTensor(64),
  values: ({ tensor }) => tensor.values(),
  disposeTensor: ({ spare }) => spare.dispose(),
  setThreads: ({ addon }) => addon.setThreads(2),
  loadTokenizer: ({ addon }) => addon.loadTokenizer(trainedSpec.tokenizer, 0),
  computeLoss: ({ addon }) => addon.computeLoss(trainRequest.losses, lossRows, {}, 'fused', 0),
  inspectSafetensors: ({ addon }) => addon.inspectSafetensors(model, 0),
  readTensor: ({ addon }) => addon.readTensor(model, 'embeddings.LayerNorm.bias', 0),
};
/** Of a model in training, each on the gradients and moments that the one before left. */
const trainingOperations = {
  loadTraining: ({ addon }) => addon.loadTraining(trainedSpec, trainSpec, 0),
  accumulate: ({ training }) => training.accumulate(...pair, trainRequest, 0),
  step: ({ training }) => training.step(trainStep, 0),
  embed: ({ training }) => training.embed(...packTexts(['a']), undefined, 0, progress),
  embedExamples: ({ training }) => training.embedExamples(...pair, exampleRequest, 0),
  tokenize: ({ training }) => training.tokenize(...packTexts(['a']), undefined, 0),
  saveState: ({ training, file }) => training.saveState(file(), 0),
  loadState: ({ training, saved }) => training.loadState(saved, 0),
  saveTensors: ({ training, file }) => training.saveTensors(file(), 'weights', '', 0),
  parameter: ({ training }) => training.parameter('embeddings.LayerNorm.bias', 0),
  progress: ({ training }) => training.progress(),
  info: ({ training }) => training.info(),
  dropOptimizer: ({ training }) => training.dropOptimizer(),
  disposeTraining: ({ spareTraining }) => spareTraining.dispose(),
};
const spares = {
  disposeTensor: async (context) => {
    context.spare = await context.addon.makeTensor(64);
  },
  disposeTraining: async (context) => {
    context.spareTraining = await context.addon.loadTraining(trainedSpec, trainSpec, 0);
  },
};

function problem(error, expected) {
  if (error === undefined) return 'no error';
  const isRange = expected.code === 'RangeError';
  if (isRange && !(error instanceof RangeError))
    return `expected a RangeError, received ${String(error)}`;
  if (!isRange && !(error instanceof SimgptError && error.code === expected.code)) {
    return `expected code ${expected.code}, received ${error.code}: ${String(error)}`;
  }
  if (error.message !== expected.message) return `message '${error.message}'`;
  if (!error.stack.includes('callWithFault')) return `no caller in ${error.stack}`;
  return undefined;
}

// Named in every stack.
function callWithFault(operation, context) {
  return operation(context);
}

/** @param {number} count faults that fired */
export async function faults(tally, { module, count }) {
  const addon = loadModule(module);
  const folder = mkdtempSync(join(tmpdir(), 'simgpt-faults-'));
  let files = 0;
  const context = {
    addon,
    encoder: await addon.loadEncoder(encoderSpec, 0),
    tensor: await addon.makeTensor(64),
    training: await addon.loadTraining(trainedSpec, trainSpec, 0),
    file: () => join(folder, `${++files}.safetensors`),
    saved: join(folder, 'saved.safetensors'),
  };
  await context.training.saveState(context.saved, 0);
  const every = { ...operations, ...trainingOperations };
  while (tally.trials < count) {
    for (const stage of stages) {
      for (const [kind, expected] of Object.entries(kinds)) {
        for (const [name, operation] of Object.entries(every)) {
          await spares[name]?.(context);
          addon.setFault(stage, kind);
          const error = await errorOf(() => callWithFault(operation, context));
          if (addon.clearFault()) continue; // this call has no such stage
          const found = problem(error, expected);
          tally.check(found === undefined, () => `${kind} at ${stage} of ${name}: ${found}`);
        }
      }
    }
  }
  const { embeddings } = await context.encoder.embed(...packTexts(['ab']), undefined, 0);
  tally.check(embeddings[0] === 97 + 98, 'the encoder no longer embeds after the faults');
  const { value } = await context.training.accumulate(...pair, trainRequest, 0);
  const { gradNorm } = await context.training.step(trainStep, 0);
  const trains = Number.isFinite(value) && Number.isFinite(gradNorm);
  tally.check(trains, 'the model no longer trains after the faults');
  for (const name of Object.getOwnPropertyNames(addon.NativeTraining.prototype)) {
    const faulted = name in trainingOperations || ['constructor', 'dispose'].includes(name);
    tally.check(faulted, `NativeTraining.${name}() has no fault test`);
  }
  rmSync(folder, { recursive: true });
}
