import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

import { equalFiles } from './linear_run.js';

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** Lines of stdout. */
  readonly lines: number;
  /** Signals sent: fewer than planned where the process ended before. */
  readonly signalsSent: number;
  /** From the last signal to the end; 0 without signals. */
  readonly sinceSignalMs: number;
}

/** The same under a limit of `blocks` of 1,024 bytes a file: what a full disk looks like. */
export function onSmallDisk(args: readonly string[], blocks: number): Promise<ProcessEnd> {
  const script = 'ulimit -f "$0"; exec "$@"';
  return run('bash', ['-c', script, String(blocks), process.execPath, ...args], undefined);
}

/** Runs a Node program and sends it signals on its way. */
export function runUntil(args: readonly string[], end: KillPlan | undefined): Promise<ProcessEnd> {
  return run(process.execPath, args, end);
}

interface KillPlan {
  /** The first signal goes at this line of stdout: its number from 1, or what it contains. */
  readonly atLine: number | string;
  readonly signals: readonly NodeJS.Signals[];
  /** All signals go at that line, else each further one at the next line. */
  readonly together?: boolean;
}

function run(
  command: string,
  args: readonly string[],
  end: KillPlan | undefined,
): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let lines = 0;
    let begun = '';
    let stderr = '';
    let sentAt = Infinity;
    const waiting = [...(end?.signals ?? [])];
    const onLine = (line: string): void => {
      lines += 1;
      const reached = typeof end?.atLine === 'string' ? line.includes(end.atLine) : false;
      if (!reached && sentAt === Infinity && !(lines >= Number(end?.atLine))) return;
      for (const signal of waiting.splice(0, end?.together === true ? Infinity : 1)) {
        child.kill(signal);
        sentAt = performance.now();
      }
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const found = (begun + chunk).split('\n');
      begun = found.pop()!;
      found.forEach(onLine);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('close', (code, signal) => {
      const signalsSent = (end?.signals.length ?? 0) - waiting.length;
      const sinceSignalMs = Math.max(0, performance.now() - sentAt);
      resolve({ code, signal, stderr, lines, signalsSent, sinceSignalMs });
    });
  });
}

/** Kills a run at these lines of its output, one start after the other, and lets it end. */
export async function expectKillsChangeNothing(
  program: (output: string) => readonly string[],
  output: string,
  atLines: readonly number[],
): Promise<void> {
  const whole = await runUntil(program(`${output}-whole`), undefined);
  assert.equal(whole.code, 0, whole.stderr);
  for (const atLine of atLines) {
    const killed = await runUntil(program(output), { atLine, signals: ['SIGKILL'] });
    assert.equal(killed.signal, 'SIGKILL', killed.stderr);
  }
  const last = await runUntil(program(output), undefined);
  assert.equal(last.code, 0, last.stderr);
  assert.deepEqual(await equalFiles(output), await equalFiles(`${output}-whole`));
}
