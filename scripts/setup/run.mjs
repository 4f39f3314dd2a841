import { spawn } from 'node:child_process';

/** A failure that the user can act on: printed as its message alone. */
export function setupError(message, details = '') {
  return Object.assign(new Error(message), { isSetupError: true, details });
}

/**
 * Runs a command and gives its output; output is also shown while it runs where `show` is set.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean }} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const parts = [];
    const take = (chunk) => {
      parts.push(chunk);
      if (options.show) {
        process.stderr.write(chunk);
      }
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const output = Buffer.concat(parts).toString('utf8');
      resolve({ code: code ?? (signal === null ? 1 : 128), output });
    });
  });
}

/** The output of a command that must succeed; undefined where it cannot be run or fails. */
export async function tryRun(command, args) {
  try {
    const { code, output } = await run(command, args);
    return code === 0 ? output.trim() : undefined;
  } catch {
    return undefined;
  }
}
