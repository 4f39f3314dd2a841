import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { repoRoot } from '../shared_data.js';
import { skipWithoutModule } from './test_module.js';

// The soak's rows at small counts, each in processes of its own: a crash is a failed test.
// `npm run soak:boundary` runs them in full, and every seeded defect against them.
const rows = {
  A1: 'a worker terminated in the middle of a job ends it, and the process lives',
  A2: 'every misused call gives the documented error',
  A3: 'every exception at every stage becomes an error with message, code and caller',
  A4: 'a process with live jobs ends with the code asked for',
  A7: 'tensors nobody disposes are collected in time',
  order: 'jobs run and answer in call order',
  cancel: 'a cancelled job stops at its next poll, a waiting one never runs',
  dispose: 'dispose follows the jobs called before it',
};

function runRow(id: string): Promise<{ code: number | null; output: string }> {
  const script = join(repoRoot, 'scripts/boundary_soak.mjs');
  return new Promise((done) => {
    const child = spawn(process.execPath, [script, '--short', '--only', id], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.once('close', (code) => done({ code, output }));
  });
}

describe('native boundary under load', { skip: skipWithoutModule }, () => {
  for (const [id, fact] of Object.entries(rows)) {
    test(`${id}: ${fact}`, async () => {
      const { code, output } = await runRow(id);
      assert.equal(code, 0, output);
    });
  }
});
