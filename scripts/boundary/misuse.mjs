// A2: every export, on a `this` in every state, with every bad argument in every place: always a
// JavaScript error of the documented class.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SimgptError, encoderSpec, errorOf, loadModule, seededRandom } from './harness.mjs';
import {
  exampleRequest,
  trainRequest,
  trainSpec,
  trainStep,
  trainedSpec,
} from './training_scene.mjs';

function detached(Type = Uint8Array) {
  const array = new Type(8);
  structuredClone(array, { transfer: [array.buffer] });
  return array;
}

// Nine values that fit hardly anywhere.
const badValues = {
  null: () => null,
  nan: () => NaN,
  negative: () => -1,
  huge: () => 1e300,
  string: () => 'x',
  symbol: () => Symbol('x'),
  object: () => ({}),
  detached,
  shared: (Type = Uint8Array) => new Type(new SharedArrayBuffer(8)),
};
const objects = ['object', 'detached', 'shared'];

const texts = () => [new Uint8Array([97, 98]), new Float64Array([0, 1, 2])];
const tokens = () => [new Int32Array([1, 2]), new Int32Array([0, 1, 2])];

const lossRows = () => ({
  examples: 1,
  anchors: new Float32Array([1, 2]),
  positives: new Float32Array([1, 3]),
});

// For each export: good arguments, and for each place the bad values that are fine there.
const methods = {
  embed: { args: () => [...texts(), {}, 1, undefined], fine: [[], [], objects, [], []] },
  embedTokens: { args: () => [...tokens(), {}, 1, undefined], fine: [[], [], objects, [], []] },
  tokenize: { args: () => [...texts(), {}, 1], fine: [[], [], objects, []] },
  info: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
  dispose: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
};
const tensorMethods = {
  values: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
  dispose: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
};
const tokenizerMethods = {
  tokenize: { args: () => [...texts(), {}, 1], fine: [[], [], objects, []] },
  tokenToId: { args: () => ['a'], fine: [['string']] },
  info: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
  dispose: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
};
const trainingMethods = {
  embed: { args: () => [...texts(), {}, 1, undefined], fine: [[], [], objects, [], []] },
  tokenize: { args: () => [...texts(), {}, 1], fine: [[], [], objects, []] },
  accumulate: { args: () => [...texts(), trainRequest, 1], fine: [[], [], [], []] },
  embedExamples: { args: () => [...texts(), exampleRequest, 1], fine: [[], [], [], []] },
  step: { args: () => [trainStep, 1], fine: [[], []] },
  saveState: { args: () => ['/no/folder/file', 1], fine: [['string'], []] },
  loadState: { args: () => ['/no/file', 1], fine: [['string'], []] },
  saveTensors: {
    args: () => ['/no/folder/file', 'weights', '', 1],
    fine: [['string'], [], ['string'], []],
  },
  parameter: { args: () => ['embeddings.LayerNorm.bias', 1], fine: [['string'], []] },
  dropOptimizer: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
  progress: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
  info: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
  dispose: { args: () => ['ignored'], fine: [Object.keys(badValues)] },
};
const functions = {
  loadTokenizer: { args: () => [encoderSpec.tokenizer, 1], fine: [[], []] },
  loadEncoder: { args: () => [encoderSpec, 1], fine: [[], []] },
  computeLoss: {
    args: () => [[{ kind: 'triplet', weight: 1, margin: 0.2 }], lossRows(), {}, 'fused', 1],
    fine: [[], [], objects, [], []],
  },
  loadTraining: { args: () => [encoderSpec, trainSpec, 1], fine: [[], [], []] },
  cancel: { args: () => [12345], fine: [[]] },
  setThreads: { args: () => [2], fine: [[]] },
  setErrorClass: { args: () => [SimgptError], fine: [[]] },
  runTiles: {
    args: () => [{ tiles: 0, tileMs: 0, work: 'sleep' }, 1, undefined],
    fine: [[], [], []],
  },
  makeTensor: { args: () => [64], fine: [[]] },
  inspectSafetensors: { args: () => ['/no/file', 1], fine: [['string'], []] },
  readTensor: { args: () => ['/no/file', 'name', 1], fine: [['string'], ['string'], []] },
  copySafetensors: {
    args: () => ['/no/folder/file', [{ path: '/no/file', tensors: [] }], 1],
    fine: [['string'], [], []],
  },
};
const wordPiece = {
  kind: 'wordPiece',
  lowercase: true,
  stripAccents: null,
  handleChineseChars: true,
};
// Exports without arguments, and those of the test module that are not the boundary's.
const others = [
  'buildInfo',
  'cpuInfo',
  'counters',
  'clearFault',
  'threadState',
  'NativeEncoder',
  'NativeTokenizer',
  'NativeTraining',
  'TestTensor',
  'setFault',
  'configureEncoder',
  'measureInfoNce',
  'adamWSteps',
  'cgroupQuota',
  'parseThreads',
  'trainStep',
  'countTrainable',
  'drawWords',
  'plantValue',
  'dropoutMasks',
];

/** Handles in each state; `release` ends them. */
async function makeStates(addon, foreignAddon, make, other) {
  const live = await make(addon);
  const closed = await make(addon);
  await closed.dispose();
  const closing = await make(addon);
  const blocker = errorOf(() => addon.runTiles({ tiles: 1e6, tileMs: 5, work: 'sleep' }, 777));
  const disposal = closing.dispose();
  const Class = live.constructor;
  class Subclass extends Class {}
  const states = {
    live,
    closing,
    closed,
    foreign: await make(foreignAddon),
    wrongThis: other,
    subclass: Object.create(Subclass.prototype),
    proxy: new Proxy(live, {}),
  };
  const release = async () => {
    addon.cancel(777);
    await blocker;
    await disposal;
    await live.dispose();
  };
  return { states, release };
}

function expectedError(state, fine) {
  if (state === 'closing' || state === 'closed') return 'disposed';
  if (state !== 'live') return 'type';
  return fine ? 'none' : 'misuse';
}

function matches(expected, error) {
  if (expected === 'disposed') return error instanceof SimgptError && error.code === 'disposed';
  if (expected === 'type') return error instanceof TypeError;
  if (expected === 'misuse') return error instanceof TypeError || error instanceof RangeError;
  return true; // a value that fits: any outcome but a crash
}

function* calls(table) {
  for (const [name, { args, fine }] of Object.entries(table)) {
    for (const place of fine.keys()) {
      for (const [bad, value] of Object.entries(badValues)) {
        yield { name, place, bad, value, args, fine: fine[place].includes(bad) };
      }
    }
  }
}

// While a handle is closing the lane is blocked: a call that is accepted is cancelled, not awaited.
async function outcomeOf(addon, call) {
  let promise;
  try {
    promise = call();
  } catch (error) {
    return error;
  }
  if (!(promise instanceof Promise)) return undefined;
  promise.catch(() => {});
  return Promise.race([errorOf(() => promise), new Promise((done) => setTimeout(done, 5))]);
}

async function checkMethods(tally, addon, made, table) {
  for (const call of calls(table)) {
    for (const [state, self] of Object.entries(made.states)) {
      if (call.name === 'dispose' && ['live', 'closing', 'closed'].includes(state)) continue;
      const args = call.args();
      args[call.place] = call.value();
      const method = made.states.live.constructor.prototype[call.name];
      const error = await outcomeOf(addon, () => method.apply(self, args));
      const expected = expectedError(state, call.fine);
      tally.check(
        matches(expected, error),
        () =>
          `${call.name}(${call.place}: ${call.bad}) on ${state}: expected ${expected}, ${String(error)}`,
      );
    }
  }
}

async function checkFunctions(tally, addon) {
  for (const call of calls(functions)) {
    const args = call.args();
    args[call.place] = call.value();
    const error = await errorOf(() => addon[call.name](...args));
    tally.check(
      matches(call.fine ? 'none' : 'misuse', error),
      () => `${call.name}(${call.place}: ${call.bad}): expected misuse, received ${String(error)}`,
    );
  }
}

// Buffers that may not be read, beside offsets that fit what they hold: only the buffer is wrong.
async function checkBuffers(tally, addon) {
  const encoder = await addon.loadEncoder(encoderSpec, 0);
  const resizable = (Type) => new Type(new ArrayBuffer(8, { maxByteLength: 16 }));
  const buffers = { detached, shared: badValues.shared, resizable };
  for (const [kind, make] of Object.entries(buffers)) {
    const bytes = make(Uint8Array);
    const offsets = Float64Array.of(0, bytes.length);
    const ids = make(Int32Array);
    const starts = Int32Array.of(0, ids.length);
    const made = {
      embed: () => encoder.embed(bytes, offsets, undefined, 0),
      tokenize: () => encoder.tokenize(bytes, offsets, undefined, 0),
      embedTokens: () => encoder.embedTokens(ids, starts, undefined, 0),
    };
    for (const [name, call] of Object.entries(made)) {
      const error = await errorOf(call);
      tally.check(
        error instanceof TypeError && error.message.includes(`a ${kind} one`),
        () => `${name} of a ${kind} buffer: ${String(error)}`,
      );
    }
  }
  await encoder.dispose();
}

// Each field of the spec in turn replaced by each bad value.
async function checkSpec(tally, addon) {
  const fields = [
    ...Object.keys(encoderSpec).map((key) => [key]),
    ...Object.keys(encoderSpec.config).map((key) => ['config', key]),
    ...Object.keys(encoderSpec.tokenizer).map((key) => ['tokenizer', key]),
  ];
  for (const [first, second] of fields) {
    for (const [bad, value] of Object.entries(badValues)) {
      const spec = structuredClone(encoderSpec);
      if (second === undefined) spec[first] = value();
      else spec[first][second] = value();
      const error = await errorOf(() => addon.loadEncoder(spec, 1));
      const fits = bad === 'string' && second === 'path';
      tally.check(
        fits || matches('misuse', error),
        () =>
          `spec.${[first, second].join('.')} = ${bad}: expected misuse, received ${String(error)}`,
      );
    }
  }
}

// A new export without a line in the tables above is a red row.
function checkCompleteness(tally, addon) {
  for (const name of Object.keys(addon)) {
    tally.check(name in functions || others.includes(name), `${name} has no misuse test`);
  }
  const named = [
    [addon.NativeEncoder, methods],
    [addon.NativeTokenizer, tokenizerMethods],
    [addon.TestTensor, tensorMethods],
    [addon.NativeTraining, trainingMethods],
  ];
  for (const [Class, table] of named) {
    for (const name of Object.getOwnPropertyNames(Class.prototype)) {
      tally.check(name === 'constructor' || name in table, `${name}() has no misuse test`);
    }
  }
}

/** Passes over the whole table, then seeded pairs of bad arguments, until `count` calls were made. */
export async function misuse(tally, { module, count, seed }) {
  const addon = loadModule(module);
  const folder = mkdtempSync(join(tmpdir(), 'simgpt-boundary-'));
  const copy = join(folder, 'foreign.node');
  copyFileSync(module, copy);
  const foreign = loadModule(copy);
  const vocabPath = join(folder, 'vocab.txt');
  writeFileSync(vocabPath, '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n');
  const makeEncoder = (from) => from.loadEncoder(encoderSpec, 0);
  const makeTensor = (from) => from.makeTensor(64);
  const makeTokenizer = (from) => from.loadTokenizer({ ...wordPiece, vocabPath }, 0);

  const encoders = await makeStates(addon, foreign, makeEncoder, await makeTensor(addon));
  await checkMethods(tally, addon, encoders, methods);
  await encoders.release();
  const tensors = await makeStates(addon, foreign, makeTensor, await makeEncoder(addon));
  await checkMethods(tally, addon, tensors, tensorMethods);
  await tensors.release();
  const tokenizers = await makeStates(addon, foreign, makeTokenizer, await makeTensor(addon));
  await checkMethods(tally, addon, tokenizers, tokenizerMethods);
  await tokenizers.release();
  const makeTraining = (from) => from.loadTraining(trainedSpec, trainSpec, 0);
  const trainings = await makeStates(addon, foreign, makeTraining, await makeTensor(addon));
  const before = process.cwd();
  process.chdir(folder); // a path that fits is written to
  await checkMethods(tally, addon, trainings, trainingMethods);
  await trainings.release();
  process.chdir(before);
  rmSync(folder, { recursive: true });
  checkCompleteness(tally, addon);
  await checkFunctions(tally, addon);
  await checkSpec(tally, addon);
  await checkBuffers(tally, addon);
  const { NativeEncoder, NativeTokenizer, NativeTraining, TestTensor } = addon;
  for (const Class of [NativeEncoder, NativeTokenizer, NativeTraining, TestTensor]) {
    for (const construct of [
      () => new Class(),
      () => Class(),
      () => Reflect.construct(Class, []),
    ]) {
      tally.check((await errorOf(construct)) instanceof TypeError, 'a handle was constructed');
    }
  }
  await randomPairs(tally, addon, count, seed);
}

async function randomPairs(tally, addon, count, seed) {
  const random = seededRandom(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const live = await addon.loadEncoder(encoderSpec, 0);
  while (tally.trials < count) {
    const name = pick(['embed', 'embedTokens', 'tokenize']);
    const { args, fine } = methods[name];
    const given = args();
    let allFine = true;
    for (let i = 0; i < 2; ++i) {
      const place = Math.floor(random() * fine.length);
      const bad = pick(Object.keys(badValues));
      given[place] = badValues[bad]();
      allFine &&= fine[place].includes(bad);
    }
    // A later good value may not replace an earlier bad one: places are only ever made worse.
    const error = await errorOf(() => live[name](...given));
    tally.check(
      matches('none', error) && (allFine || error === undefined || error instanceof Error),
      () => `${name} with two bad arguments: ${String(error)}`,
    );
  }
  tally.check(
    (await live.embed(...texts(), undefined, 0)).embeddings.length === 16,
    'the encoder no longer embeds after the misuse',
  );
}
