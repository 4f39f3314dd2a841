// A3: seven kinds of exception, among them five that are no simgpt::Error, at every stage of every
// call: an error with its message and the caller's stack, and the next call works.
import { SimgptError, encoderSpec, errorOf, loadModule, packTexts } from './harness.mjs';

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
  const context = {
    addon,
    encoder: await addon.loadEncoder(encoderSpec, 0),
    tensor: await addon.makeTensor(64),
    spare: undefined,
  };
  while (tally.trials < count) {
    for (const stage of stages) {
      for (const [kind, expected] of Object.entries(kinds)) {
        for (const [name, operation] of Object.entries(operations)) {
          context.spare = await addon.makeTensor(64);
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
}
