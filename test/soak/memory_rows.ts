// Whether a run holds more in memory the longer it goes: what is alive after a full collection, at a
// tenth of its examples and at the last.
//   node --expose-gc memory_rows.js '{"folder": "...", "input": "...", "count": 1000}'
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeServer } from '../generate/fake_process.js';
import { runTiny, writeSentences } from '../generate/tiny_run.js';
import type { TinyRun } from '../generate/tiny_run.js';
import type { SoakResult } from './soak_result.js';

const script = fileURLToPath(import.meta.url);

/** The tables take 48 bytes an answer and 24 a call that is over, when they have just grown. */
const bytesPerExample = 80;
const slackBytes = 2 * 1024 ** 2;

interface Measured {
  readonly tenth: number;
  readonly last: number;
  readonly peak: number;
}

/** One run, measured from within. */
async function measure(run: TinyRun & { readonly count: number }): Promise<Measured> {
  const alive = new Map<number, number>();
  const marks = [Math.ceil(run.count / 10), run.count];
  const onProgress = (_stage: string, done: number): void => {
    if (!marks.includes(done) || alive.has(done)) return;
    // What the first one frees of typed arrays is given back only later.
    for (let times = 0; times < 3; times += 1) gc?.();
    const { heapUsed, external } = process.memoryUsage();
    alive.set(done, heapUsed + external);
  };
  const { kind } = await runTiny(run, { onProgress });
  assert.equal(kind, 'done');
  const [tenth = Number.NaN, last = Number.NaN] = marks.map((mark) => alive.get(mark));
  return { tenth, last, peak: process.resourceUsage().maxRSS * 1024 };
}

export async function flatMemory(options: {
  readonly root: string;
  readonly count: number;
}): Promise<SoakResult> {
  const { root, count } = options;
  await mkdir(root, { recursive: true });
  const input = await writeSentences(root, count);
  await using server = await startFakeServer({ reply: 'numbered' });
  const { baseUrl } = server;
  const run = { folder: join(root, 'run'), input, baseUrl, bare: true, inFlight: 64, count };
  const child = spawn(process.execPath, ['--expose-gc', script, JSON.stringify(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  const { tenth, last, peak } = JSON.parse(said) as Measured;
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const isFlat = last <= tenth + slackBytes + bytesPerExample * count;
  const failures = isFlat ? [] : [`${megabytes(last)} alive, ${megabytes(tenth)} at a tenth`];
  const notes = {
    'alive at a tenth': megabytes(tenth),
    'at the last': megabytes(last),
    'peak of the process': megabytes(peak),
  };
  return { trials: count, failures, notes };
}

if (process.argv[1] === script) {
  const run = JSON.parse(process.argv[2] ?? '{}') as TinyRun & { readonly count: number };
  process.stdout.write(JSON.stringify(await measure(run)));
}
