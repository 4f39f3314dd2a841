import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { computeLossOf, furnishedCase, gradientOf } from './loss_case.js';

const run = promisify(execFile);

/** Value and gradient of one fused loss, as a digest of their bytes. */
async function digest(): Promise<string> {
  const given = furnishedCase({ examples: 700, width: 48, hardNegatives: 1 });
  const result = await computeLossOf({ kind: 'infoNce', symmetricWeight: 1 }, given, 'fused');
  const bytes = Buffer.from(gradientOf(result).buffer);
  return createHash('sha256').update(`${result.value}`).update(bytes).digest('hex');
}

async function inProcess(
  environment: Readonly<Record<string, string>>,
  script: string,
  ...args: readonly string[]
) {
  const env = { ...process.env, ...environment };
  return run(process.execPath, [...args, script], { env }).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
}

if (process.env['SIMGPT_TEST_DIGEST'] === '1') {
  process.stdout.write(await digest());
} else {
  describe('the fused form', () => {
    for (const level of ['baseline', 'avx2']) {
      test(`holds its tolerances on processors of level ${level}`, async () => {
        const script = fileURLToPath(new URL('loss_forms.test.js', import.meta.url));
        const report = await inProcess(
          { SIMGPT_CPU_LEVEL: level, NODE_TEST_CONTEXT: '' },
          script,
          '--test-name-pattern=the fused form equals float64',
        );
        assert.match(report, /^# pass 8$/m);
        assert.match(report, /^# fail 0$/m);
      });
    }

    test('gives the same bits at any number of threads', async () => {
      const self = fileURLToPath(import.meta.url);
      const digests = await Promise.all(
        ['1', '2', '5'].map((SIMGPT_THREADS) =>
          inProcess({ SIMGPT_THREADS, SIMGPT_TEST_DIGEST: '1' }, self),
        ),
      );
      assert.match(digests[0]!, /^[0-9a-f]{64}$/);
      assert.deepEqual(new Set(digests).size, 1);
    });
  });
}
