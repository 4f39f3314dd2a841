import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

import { equalFiles } from './linear_run.js';

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** Lines of stdout. */
  readonly lines: number;
}

/** The same under a limit of `blocks` of 1,024 bytes a file: what a full disk looks like. */
export function onSmallDisk(args: readonly string[], blocks: number): Promise<ProcessEnd> {
  const script = 'ulimit -f "$0"; exec "$@"';
  return run('bash', ['-c', script, String(blocks), process.execPath, ...args], undefined);
}

/** Runs a Node program and sends `signals` in turn: the first at line `atLine` of its stdout. */
export function runUntil(args: readonly string[], end: KillPlan | undefined): Promise<ProcessEnd> {
  return run(process.execPath, args, end);
}

interface KillPlan {
  readonly atLine: number;
  readonly signals: readonly NodeJS.Signals[];
}

function run(
  command: string,
  args: readonly string[],
  end: KillPlan | undefined,
): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let lines = 0;
    let stderr = '';
    const waiting = [...(end?.signals ?? [])];
    child.stdout.on('data', (chunk: Buffer) => {
      lines += chunk.toString().split('\n').length - 1;
      if (end !== undefined && lines >= end.atLine) {
        for (const signal of waiting.splice(0)) child.kill(signal);
      }
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('close', (code, signal) => resolve({ code, signal, stderr, lines }));
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
