// A process that dies at the k-th file operation below a folder, by kill_shim.c in front of libc.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repoRoot } from '../shared_data.js';

/** For `node:test` options: the reason to skip, or false where the shim can be built. */
export const skipWithoutShim: string | false = findReason();

function findReason(): string | false {
  if (process.platform !== 'linux') return 'the shim interposes on glibc';
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'no C compiler';
  }
}

/** Compiles the shim into a folder. */
export function buildShim(folder: string): string {
  const output = join(folder, 'kill_shim.so');
  const source = join(repoRoot, 'test/soak/kill_shim.c');
  const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Werror'];
  execFileSync('cc', [...flags, '-o', output, source, '-ldl', '-pthread']);
  return output;
}

export interface KillableRun {
  readonly shim: string;
  /** Operations on files below this folder count. */
  readonly below: string;
  /** Holds the count; default beside `below`. */
  readonly counter?: string;
  /** 0: only count. */
  readonly killAt: number;
  /** The write it dies at is done by half. */
  readonly torn?: boolean;
  /** Do not die: fail with this number from there on, as on a full disk. */
  readonly errno?: number;
  /** Node's arguments. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface KilledRun {
  readonly code: number | null;
  readonly killed: boolean;
  /** Operations begun. */
  readonly operations: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly peakBytes: number;
}

/** Runs Node below the shim and waits for its end. */
export function runKillable(run: KillableRun): Promise<KilledRun> {
  const { shim, below, killAt, torn = false, errno, args, env = {} } = run;
  const { counter = `${below}.count` } = run;
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      ...env,
      LD_PRELOAD: shim,
      KILL_BELOW: below,
      KILL_AT: String(killAt),
      KILL_COUNT: counter,
      // Operations of io_uring pass libc by.
      UV_USE_IO_URING: '0',
      ...(torn ? { KILL_TORN: '1' } : {}),
      ...(errno === undefined ? {} : { KILL_ERRNO: String(errno) }),
    },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] = (output[name] + text).slice(-1_000_000);
    });
  }
  let peakBytes = 0;
  const look = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid ?? 0));
  }, 250);
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      clearInterval(look);
      const operations = existsSync(counter) ? Number(readFileSync(counter).readBigUInt64LE()) : 0;
      resolve({ code, killed: signal === 'SIGKILL', operations, ...output, peakBytes });
    });
  });
}

function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
