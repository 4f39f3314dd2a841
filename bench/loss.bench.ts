// How fast is the fused InfoNCE beside plain ATen, forward and backward, and what memory does it take?
//
// One direction, a hard negative an example. Plain ATen is what a program on LibTorch writes: unit
// rows, one matrix of scores, cross entropy, autograd. Both run natively in one process, in turn, on
// the same random embeddings; value and gradient must agree first. Extra memory is the most that
// tensors held at once, inputs and gradients not counted. Run it again with SIMGPT_CPU_LEVEL=avx2.
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { native } from '#dist/native.js';
import { benchOptions } from './harness/options.js';
import { repoRoot } from './harness/places.js';
import { fixed, print, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import type { Timing } from './harness/rounds.js';

type Form = 'fused' | 'plain';

interface Measured {
  readonly value: number;
  readonly anchors: Float32Array;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly extraBytes: number;
}

interface Module {
  measureInfoNce(request: object, token: number): Promise<Measured>;
  setThreads(count: number): Promise<void>;
}

const options = benchOptions();
const examples = options.quick ? 512 : 4096;
const width = 384;
const rounds = options.rounds ?? (options.quick ? 1 : 8);
const { level } = native().cpuInfo();
const targets = { ATen: level === 'avx512' ? 1 : 0.8 };

const require = createRequire(import.meta.url);
const module = require(join(repoRoot, 'build/Release/simgpt_test.node')) as Module;
await module.setThreads(options.threads);

async function run(form: Form): Promise<Measured> {
  const shape = { examples, hardNegatives: 1, width, temperature: 0.05, rounds: 1, seed: 11 };
  return module.measureInfoNce({ ...shape, form }, 0);
}

function requireEqual(fused: Measured, plain: Measured): number {
  const off = Math.abs(fused.value - plain.value);
  let gap = 0;
  let size = 0;
  for (const [i, value] of plain.anchors.entries()) {
    gap += (fused.anchors[i]! - value) ** 2;
    size += value ** 2;
  }
  const relative = Math.sqrt(gap / size);
  // Where the loss is small plain float32 loses digits of 1 - p, which the fused form keeps.
  if (!(off <= 1e-5 * plain.value && relative <= 1e-4)) {
    throw new Error(`the losses differ by ${off}, the gradients by ${relative}`);
  }
  return relative;
}

const [fused, plain] = [await run('fused'), await run('plain')];
const relative = requireEqual(fused, plain);
print(`loss ${fixed(fused.value)}, gradients within ${relative.toExponential(1)} of each other`);

async function call(form: Form): Promise<Timing> {
  const { seconds, cpuSeconds } = await run(form);
  return { seconds, cpuSeconds };
}

const samples = await runRounds(
  [
    { name: 'simgpt', call: () => call('fused') },
    { name: 'ATen', call: () => call('plain') },
  ],
  { rounds, warmups: 1 },
);
const flop = { simgpt: 8, ATen: 6 };
reportCase(
  {
    name: `InfoNCE n=${examples}, m=${2 * examples}, D=${width}, ${level}`,
    samples,
    units: 1,
    unit: 'losses',
    targets,
    extra: ({ name }, seconds) => {
      const products = name === 'ATen' ? flop.ATen : flop.simgpt;
      const gflops = (products * 2 * examples * examples * width) / seconds / 1e9;
      return `${Math.round(gflops)} GFLOP/s of products`;
    },
  },
  options,
);
const mebibytes = (bytes: number): string => fixed(bytes / 2 ** 20);
print(
  `  extra memory: simgpt ${mebibytes(fused.extraBytes)} MiB, ATen ${mebibytes(plain.extraBytes)} MiB, ` +
    `1 / ${fixed(plain.extraBytes / fused.extraBytes)}, target 1 / 10 at most`,
);
