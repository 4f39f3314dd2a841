import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { repoRoot } from '../shared_data.js';

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
}

/** Runs the command line in a process of its own, as a user would. */
export function runSimgpt(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { env = {}, stdin, cwd } = options;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(repoRoot, 'bin/simgpt.mjs'), ...args],
      {
        cwd,
        env: { ...process.env, SIMGPT_MODEL: undefined, SIMGPT_DEBUG: undefined, ...env },
        encoding: 'buffer',
        maxBuffer: 2 ** 28,
      },
      (_error, stdout, stderr) =>
        resolve({
          code: child.exitCode,
          stdout: stdout.toString('utf8'),
          stdoutBytes: stdout,
          stderr: stderr.toString('utf8'),
        }),
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin);
  });
}
