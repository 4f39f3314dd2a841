// Whether a run of many examples needs more memory than one of few: each in a process of its own.
//   node memory_rows.js '{"folder": "...", "input": "...", "baseUrl": "..."}'     prints its peak
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeServer } from '../generate/fake_process.js';
import { runTiny, writeSentences } from '../generate/tiny_run.js';
import type { TinyRun } from '../generate/tiny_run.js';
import type { SoakResult } from './soak_result.js';

const script = fileURLToPath(import.meta.url);

/** The id tables take 28 bytes a record, and are copied when they grow. */
const bytesPerExample = 500;
const slackBytes = 48 * 1024 ** 2;

async function peakOf(root: string, count: number, baseUrl: string): Promise<number> {
  const folder = join(root, `${count}`);
  await mkdir(folder, { recursive: true });
  const input = await writeSentences(folder, count);
  const run = { folder: join(folder, 'run'), input, baseUrl, bare: true, inFlight: 64 };
  const child = spawn(process.execPath, [script, JSON.stringify(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  await rm(folder, { recursive: true });
  assert.match(said, /^done \d+\n$/);
  return Number(said.split(' ')[1]) * 1024;
}

/** Peaks of a tenth of the examples and of all of them. */
export async function flatMemory(options: {
  readonly root: string;
  readonly count: number;
}): Promise<SoakResult> {
  const { root, count } = options;
  await using server = await startFakeServer({ reply: 'numbered' });
  const few = await peakOf(root, Math.ceil(count / 10), server.baseUrl);
  const all = await peakOf(root, count, server.baseUrl);
  const most = few + slackBytes + bytesPerExample * count;
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const failures =
    all <= most ? [] : [`peak ${megabytes(all)}, expected at most ${megabytes(most)}`];
  const notes = { 'peak of a tenth': megabytes(few), 'peak of all': megabytes(all) };
  return { trials: count, failures, notes };
}

if (process.argv[1] === script) {
  const { kind } = await runTiny(JSON.parse(process.argv[2] ?? '{}') as TinyRun);
  process.stdout.write(`${kind} ${process.resourceUsage().maxRSS}\n`);
}
