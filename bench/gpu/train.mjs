// Does training on this device give the CPU's gradients, and how long is a SimCSE step?
//
// One step with dropout 0.1 on the golden models: gradients in float32 must agree with the packed
// kernels' on the CPU within 1e-4 of their length, the masks being the same; in bfloat16 their cosine
// must be above 0.99. Then steps of 64 sentences, each with itself. --device cpu is a dry run: the
// operators that CUDA runs, on the CPU.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Encoder, Optimizer } from '../../dist/index.js';
import { gpuOptions } from './options.mjs';
import { stsTexts } from './sts_texts.mjs';

const { device, model, quick } = gpuOptions();
const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const sandbox = mkdtempSync(join(tmpdir(), 'simgpt-gpu-'));
const here = device === 'cuda' ? { device } : { device, backend: 'reference' };
const words = ['man', 'woman', 'play', 'game', 'long', 'text', 'one', 'two', 'three', 'four'];
const text = (i) =>
  Array.from({ length: 2 + (i % 9) }, (_, t) => words[(i * t + i) % 10]).join(' ');
const batch = {
  anchors: Array.from({ length: 24 }, (_, i) => text(i)),
  positives: Array.from({ length: 24 }, (_, i) => text(i + 24)),
  hardNegatives: Array.from({ length: 24 }, (_, i) => [text(i + 48)]),
};
/** @type {[name: string, trains: import('../../dist/index.js').Trains, options: object][]} */
const cases = [
  ['bert-erf', { kind: 'all' }, { pooling: 'cls', head: 'mlp' }],
  ['roberta-erf', { kind: 'lora' }, { pooling: 'mean' }],
  ['bert-tanh', { kind: 'deepPrompt', length: 3 }, { pooling: 'firstLastMean' }],
];
let failures = 0;
try {
  for (const [name, trains, options] of cases) {
    const given = { trains, ...options, dropout: { hidden: 0.1, attention: 0.1 }, seed: 3 };
    // The device first: LibTorch looks for CUDA once in a process.
    const wide = await gradients(name, { ...given, ...here, precision: 'float32' });
    const narrow = await gradients(name, { ...given, ...here, precision: 'bfloat16' });
    const cpu = await gradients(name, { ...given, device: 'cpu', precision: 'float32' });
    for (const [precision, found] of Object.entries({ float32: wide, bfloat16: narrow })) {
      const most = precision === 'float32' ? 1e-4 : 0.14;
      const apart = distance(found, cpu);
      const ok = apart < most && (precision === 'float32' || apart > 1e-5);
      failures += ok ? 0 : 1;
      const what = `${name} ${trains.kind} ${device} ${precision} gradients`;
      print(`${ok ? 'ok  ' : 'FAIL'} ${what}: ${apart.toExponential(1)} < ${most}`);
    }
  }
  const precisions = quick ? ['float32'] : ['float32', 'bfloat16'];
  for (const precision of precisions) await time(precision);
} finally {
  rmSync(sandbox, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;

// With beta1 = 0 the optimizer's first moment is the gradient itself.
async function gradients(name, options) {
  const encoder = await Encoder.load(join(root, 'test/golden', name), options);
  const optimizer = new Optimizer(encoder, { beta1: 0 });
  await encoder.accumulateGradients(batch, { kind: 'infoNce', temperature: 0.05 }, { step: 7 });
  await optimizer.step({ learningRate: 0 });
  const path = join(sandbox, 'state.safetensors');
  await encoder.saveTrainingState(path);
  await encoder.dispose();
  const bytes = Buffer.from(Uint8Array.from(readFileSync(path)).buffer);
  rmSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const moments = new Map();
  for (const [tensor, { data_offsets: at }] of Object.entries(
    JSON.parse(bytes.toString('utf8', 8, start)),
  )) {
    // The gradient of a key's bias is zero but for rounding.
    if (!tensor.startsWith('first/') || tensor.endsWith('key.bias')) continue;
    moments.set(tensor, new Float32Array(bytes.buffer.slice(start + at[0], start + at[1])));
  }
  return moments;
}

function distance(actual, expected) {
  let [gap, size] = [0, 0];
  for (const [name, values] of expected) {
    const other = actual.get(name);
    values.forEach((value, i) => {
      gap += (value - other[i]) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(gap / size);
}

async function time(precision) {
  const texts = stsTexts(root);
  const [pairs, warmups, rounds] = quick ? [8, 1, 2] : [64, 5, 30];
  const trains = { kind: 'all' };
  const options = { trains, ...here, precision, pooling: 'cls' };
  const encoder = await Encoder.load(resolve(model), options);
  const optimizer = new Optimizer(encoder);
  const milliseconds = [];
  let loss;
  for (let step = 0; step < warmups + rounds; ++step) {
    const anchors = texts.slice(step * pairs, (step + 1) * pairs);
    const before = performance.now();
    const given = { anchors, positives: anchors };
    ({ loss } = await encoder.accumulateGradients(
      given,
      { kind: 'infoNce', temperature: 0.05 },
      { step },
    ));
    await optimizer.step({ learningRate: 3e-5, maxGradNorm: 1 });
    if (step >= warmups) milliseconds.push(performance.now() - before);
  }
  await encoder.dispose();
  milliseconds.sort((a, b) => a - b);
  const median = milliseconds[milliseconds.length >> 1];
  const what = `${device} ${precision} SimCSE step of ${pairs} pairs`;
  print(
    `${what}: median ${median.toFixed(1)} ms, ${(1000 / median).toFixed(1)} steps/s, loss ${loss.toFixed(3)}`,
  );
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
