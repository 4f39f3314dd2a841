// T6: training runs that SIGINT and SIGTERM stop.
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { repoRoot } from '../shared_data.js';
import { writeRandomModel } from '../encoder/random_model.js';
import { equalFiles } from '../train/linear_run.js';
import { runUntil } from '../train/process.js';
import type { ProcessEnd } from '../train/process.js';
import type { Hold } from '../train/train_child.js';
import { writeTrainingScene } from '../train/training_scene.js';
import type { SoakGround } from './rows.js';
import { drawn } from './soak_result.js';
import type { SoakResult } from './soak_result.js';

type Ground = SoakGround & {
  readonly count: number;
  /** How long an end may take after its signal; absent where the time says nothing. */
  readonly limits?: { readonly stopMs: number; readonly secondMs: number };
};

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof exitCodes;

/** Ways to signal: at a line of the output, in a call of the model, or twice in one. */
const ways = ['call', 'line', 'twice', 'call'] as const;

/** A start that is signalled, and what it left. */
interface Stopped {
  readonly way: (typeof ways)[number];
  readonly signal: StopSignal;
  readonly end: ProcessEnd;
  readonly checkpoints: { readonly before: readonly string[]; readonly after: readonly string[] };
}

/**
 * A run is stopped and gone on with until it ends, then another, until there were `count` signals: the
 * first stops after the call in hand, with a checkpoint, the second at once. Each run must end as the
 * one that nothing disturbed.
 */
export async function signalledRuns({ root, count, seed, limits }: Ground): Promise<SoakResult> {
  await mkdir(root, { recursive: true });
  const { options } = await writeTrainingScene(root);
  const child = join(repoRoot, 'build/test/train/train_child.js');
  const program = (output: string, hold: Hold | null = null) => [
    child,
    JSON.stringify({ ...options, checkpointEvery: 100, output }),
    JSON.stringify(hold),
  ];
  const calm = join(root, 'calm');
  const whole = await runUntil(program(calm), undefined);
  if (whole.code !== 0) return { trials: 0, failures: [whole.stderr], notes: {} };
  const expected = await equalFiles(calm);
  const failures: string[] = [];
  const slowest = { stop: 0, second: 0 };
  let [trials, stopped, runs] = [0, 0, 0];
  const start = async (output: string, trial: number): Promise<Stopped> => {
    const way = ways[trial % ways.length]!;
    const signal = drawn(seed, 3 * trial, 0, 1) === 0 ? 'SIGINT' : 'SIGTERM';
    const hold =
      way === 'line'
        ? null
        : { call: drawn(seed, 3 * trial + 1, 1, 8), afterwardsMs: way === 'twice' ? 20_000 : 0 };
    const atLine = hold === null ? drawn(seed, 3 * trial + 2, 1, whole.lines) : '"kind":"held"';
    const signals: readonly StopSignal[] = way === 'twice' ? [signal, 'SIGTERM'] : [signal];
    const before = await checkpointsOf(output);
    const end = await runUntil(program(output, hold), { atLine, signals });
    return { way, signal, end, checkpoints: { before, after: await checkpointsOf(output) } };
  };
  for (; trials < count; ++runs) {
    const output = join(root, `run${runs}`);
    for (let over = false; !over && trials < count;) {
      const trial = await start(output, trials);
      over = trial.end.code === 0;
      if (trial.end.signalsSent === 0) {
        // It may have ended before its call came; what failed by itself would fail for ever.
        if (over) continue;
        failures.push(`run ${runs}, no signal: ${trial.end.code} ${trial.end.stderr}`);
        return { trials, failures, notes: {} };
      }
      failures.push(...doubtsOf(trial, limits).map((why) => `signal ${trials}: ${why}`));
      const kind = trial.way === 'twice' ? 'second' : 'stop';
      slowest[kind] = Math.max(slowest[kind], Math.round(trial.end.sinceSignalMs));
      stopped += over ? 0 : 1;
      trials += 1;
    }
    const last = await runUntil(program(output), undefined);
    const found = last.code === 0 ? await equalFiles(output) : new Map<string, string>();
    if (!sameFiles(found, expected)) failures.push(`run ${runs}: other files ${last.stderr}`);
    else await rm(output, { recursive: true });
  }
  const notes = { runs, stopped, slowestStopMs: slowest.stop, slowestSecondMs: slowest.second };
  return { trials, failures, notes };
}

/** Those that are there under their names: an end at once may leave a half, which the next start removes. */
async function checkpointsOf(output: string): Promise<readonly string[]> {
  const names = await readdir(join(output, 'checkpoints')).catch((): string[] => []);
  return names.filter((name) => name.startsWith('step-')).sort();
}

/** Where a start did not end as its signals ask. */
function doubtsOf({ way, signal, end, checkpoints }: Stopped, limits: Ground['limits']): string[] {
  const { code, stderr, sinceSignalMs } = end;
  const doubts: string[] = [];
  const limit = (way === 'twice' ? limits?.secondMs : limits?.stopMs) ?? Infinity;
  if (sinceSignalMs > limit) doubts.push(`${way}, ended after ${Math.round(sinceSignalMs)} ms`);
  // A signal at a line may come when all is done.
  if (way === 'line' && code === 0) return doubts;
  if (code !== exitCodes[signal]) doubts.push(`${way}, ${signal}: ${code} ${stderr}`);
  if (way === 'twice') {
    const kept = checkpoints.before.join() === checkpoints.after.join();
    if (stderr !== '' || !kept) doubts.push(`the second: ${checkpoints.after.join()} ${stderr}`);
    return doubts;
  }
  const said = /^simgpt: .*stopped by SIG/.test(stderr);
  const step = /^simgpt: stopped after step (\d+) of 12: stopped by SIG/.exec(stderr)?.[1];
  const saved = step === undefined || checkpoints.after.at(-1) === `step-${step.padStart(8, '0')}`;
  if (!said || !saved) doubts.push(`${way}: ${checkpoints.after.join()} ${stderr}`);
  return doubts;
}

/**
 * Two signals at once where a step of seconds begins in the native code: nothing of it may be left,
 * neither a line of metrics nor a checkpoint. That they do not wait for it `limits` tells.
 */
export async function signalledSteps({ root, count, limits }: Ground): Promise<SoakResult> {
  const model = join(root, 'model');
  await mkdir(model, { recursive: true });
  const sizes = { hidden: 128, layers: 4, heads: 4, intermediate: 512, positions: 64 };
  await writeRandomModel(model, 7, sizes);
  const scene = await writeTrainingScene(root);
  const data = join(root, 'long.tsv');
  await writeFile(data, longTriples(1000));
  const failures: string[] = [];
  let slowest = 0;
  for (let trial = 0; trial < count; ++trial) {
    const output = join(root, `run${trial}`);
    const flags = { model, data, dev: scene.dev, output, 'batch-size': '1000', epochs: '2' };
    const command = ['bin/simgpt.mjs', 'train', 'simcse-sup', '--json', '--learning-rate', '0.001'];
    const given = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const args = [join(repoRoot, command[0]!), ...command.slice(1), ...given];
    // The model was looked at: the first step comes next.
    const atLine = '"kind":"evaluation"';
    const signals = ['SIGINT', 'SIGTERM'] as const;
    const end = await runUntil(args, { atLine, signals, together: true });
    const metrics = await readFile(join(output, 'metrics.jsonl'), 'utf8');
    const steps = metrics.split('\n').filter((line) => line.includes('"kind":"step"'));
    const left = [...(await checkpointsOf(output)), ...steps];
    slowest = Math.max(slowest, Math.round(end.sinceSignalMs));
    // Of two that are pending either may be handled first.
    const named = Object.values(exitCodes).some((code) => code === end.code);
    if (!named || end.stderr.includes('stopped') || left.length > 0) {
      failures.push(`step ${trial}: ${end.code} ${left.join()} ${end.stderr.slice(-300)}`);
    }
    if (end.sinceSignalMs > (limits?.secondMs ?? Infinity)) {
      failures.push(`step ${trial}: ended after ${Math.round(end.sinceSignalMs)} ms`);
    }
  }
  return { trials: count, failures, notes: { slowestSecondMs: slowest } };
}

// Texts of 28 words that differ.
function longTriples(count: number): string {
  const words = ['man', 'woman', 'play', 'game', 'long', 'text', 'word', 'one', 'two', 'three'];
  const text = (row: number, role: number): string =>
    Array.from(
      { length: 28 },
      (_, i) => words[(row * 7 + i * role + ((row >> (i % 8)) & 3)) % 10],
    ).join(' ');
  const rows = Array.from({ length: count }, (_, row) =>
    [1, 2, 3].map((role) => text(row, role)).join('\t'),
  );
  return `sent0\tsent1\thard_neg\n${rows.join('\n')}\n`;
}

/** Whether two runs left the same files. */
export function sameFiles(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, bytes]) => b.get(name) === bytes);
}
