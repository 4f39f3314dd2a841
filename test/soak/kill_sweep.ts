// Any command that can be resumed: killed at chosen file operations, run again, and compared with a
// run that nothing disturbed.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runKillable } from './kill_shim.js';
import type { KilledRun } from './kill_shim.js';
import { drawn } from './soak_result.js';
import type { SoakResult } from './soak_result.js';

export interface SweptCommand {
  /** Node's arguments for a run in a folder, new or left by a killed run. */
  readonly args: (folder: string) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The exit code of a run that ends well. */
  readonly code: number;
  /** Files of the folder that must come out the same, byte for byte. */
  readonly files: readonly string[];
  /** What else must hold of a finished folder: sentences where it does not. */
  readonly check?: (folder: string) => Promise<readonly string[]>;
}

export interface SweepOptions {
  readonly shim: string;
  /** Holds the runs; they are removed as they pass. */
  readonly root: string;
  /** Points to kill at; every one where it is absent. */
  readonly count?: number;
  readonly seed: number;
  /** Operations fail with this number from the point on, instead of a kill. */
  readonly errno?: number;
}

/** Kills the command at sampled points, or at every one, and compares what comes of it. */
export async function sweepKills(
  command: SweptCommand,
  { shim, root, count, seed, errno }: SweepOptions,
): Promise<SoakResult> {
  const failures: string[] = [];
  const calm = join(root, 'calm');
  await mkdir(root, { recursive: true });
  const run = (folder: string, killAt: number, torn: boolean) =>
    runKillable({
      shim,
      below: folder,
      killAt,
      torn,
      args: command.args(folder),
      ...(errno === undefined || killAt === 0 ? {} : { errno }),
      ...(command.env === undefined ? {} : { env: command.env }),
    });
  const first = await run(calm, 0, false);
  if (first.code !== command.code) {
    return { trials: 0, failures: [`undisturbed: ${first.code}: ${first.stderr}`], notes: {} };
  }
  const expected = await hashes(calm, command.files);
  const total = first.operations;
  const points = pointsOf(total, count, seed);
  let killed = 0;
  for (const [index, killAt] of points.entries()) {
    const folder = join(root, `run${index}`);
    const torn = index % 2 === 1;
    const died = await run(folder, killAt, torn);
    killed += died.killed || died.code !== command.code ? 1 : 0;
    if (errno !== undefined && died.code !== command.code && !isNamedFailure(died)) {
      failures.push(`failed at ${killAt}: ${died.code} ${died.stderr.slice(-300)}`);
    }
    const resumed = await run(folder, 0, false);
    const found = resumed.code === command.code ? await hashes(folder, command.files) : '';
    const doubts = found === expected ? ((await command.check?.(folder)) ?? []) : [];
    if (found !== expected || doubts.length > 0) {
      const why = [resumed.code, ...doubts, resumed.stderr.slice(-500)].join(' ');
      failures.push(`killed at ${killAt}${torn ? ', torn' : ''}: ${why}`);
    } else {
      await rm(folder, { recursive: true, force: true });
      await rm(`${folder}.count`, { force: true });
    }
  }
  // Group commits vary, so that the last operations of one run may be beyond those of another.
  if (killed < 0.5 * points.length)
    failures.push(`killed ${killed} of ${points.length} times only`);
  return { trials: points.length, failures, notes: { operations: total, killed } };
}

/** One sentence that says what could not be done, and exit code 1. */
function isNamedFailure({ code, stderr }: KilledRun): boolean {
  // The addon says it in the system's words.
  return code === 1 && /^simgpt: .*(?:could not|cannot) .*: [A-Z][\w -]+(?:; .*)?$/m.test(stderr);
}

function pointsOf(total: number, count: number | undefined, seed: number): readonly number[] {
  if (count === undefined) return Array.from({ length: total }, (_, index) => index + 1);
  // One point in each of `count` equal parts: the first and the last operations are never left out.
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * total) / count) + 1;
    const to = Math.max(from, Math.floor(((index + 1) * total) / count));
    return drawn(seed, index, from, to);
  });
}

async function hashes(folder: string, files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (name) => {
      const bytes = await readFile(join(folder, name)).catch(() => Buffer.from('none'));
      return `${name} ${createHash('sha256').update(bytes).digest('hex')}`;
    }),
  );
  return parts.join('\n');
}
