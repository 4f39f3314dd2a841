import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { root } from './harness.mjs';
import { rows } from './rows.mjs';

/** Runs a row in its own process; a crash, a hang or a failure makes `passed` false. */
export function runRow(id, { count, seed, module, watchdogMs = 3 * 3_600_000 }) {
  const script = join(root, 'scripts/boundary/row_process.mjs');
  return new Promise((done) => {
    const child = spawn(process.execPath, [script, id, String(count), String(seed), module], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: watchdogMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors = (errors + chunk).slice(-2000);
    });
    child.once('close', (code, signal) => {
      const line = output.trim().split('\n').at(-1) ?? '';
      if (code === 0 && line.startsWith('{')) {
        const report = JSON.parse(line);
        done({ ...report, passed: report.failures === 0 });
      } else {
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
        const last = errors.trim().split('\n').at(-1) ?? '';
        done({ passed: false, trials: 0, failures: 1, messages: [`${how}: ${last}`], seconds: 0 });
      }
    });
  });
}

export function formatRow(id, count, result) {
  const { passed, trials, failures, messages, seconds, ...notes } = result;
  const head = `${passed ? 'ok  ' : 'FAIL'} ${id} (${count} ${rows[id].what}): `;
  const counts = `${trials} checks, ${failures} failures, ${seconds} s ${JSON.stringify(notes)}`;
  return [head + counts, ...messages.map((message) => `     ${message}`)].join('\n');
}
