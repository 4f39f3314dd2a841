import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, goldenRows, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';
import { worstDifference } from './train_probe.js';
import type { StepResult } from './train_probe.js';

const self = fileURLToPath(import.meta.url);
const setting = 'SIMGPT_TEST_PRINT_STEP';

// Twelve copies of the golden texts: several groups of rows.
async function step(): Promise<StepResult> {
  const [ids, starts] = await goldenRows('bert-erf', 30);
  const copies = Array.from({ length: 12 }, (_, i) => i);
  const last = starts.at(-1) ?? 0;
  const allIds = Int32Array.from(copies.flatMap(() => [...ids]));
  const ends = copies.flatMap((i) => [...starts.subarray(1)].map((end) => end + i * last));
  const options = { pooling: 'cls', head: 'mlp', precision: 'float32' } as const;
  const spec = { ...(await modelSpec(goldenDir('bert-erf'), options)), maxTokens: 30 };
  const train = { hiddenDropout: 0.1, attentionDropout: 0.1 };
  const rows = [allIds, Int32Array.of(0, ...ends)] as const;
  return trainStep(loadTrainingModule(), spec, train, { step: 3 }, rows);
}

async function printed(environment: Readonly<Record<string, string>>): Promise<number[][]> {
  const { stdout } = await promisify(execFile)(process.execPath, [self], {
    env: { ...process.env, [setting]: '1', ...environment },
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout) as number[][];
}

/** Without the keys' biases, whose true gradient is zero: only rounding is left. */
const gradients = ({ parameters }: StepResult): number[][] =>
  parameters.filter(({ name }) => !name.endsWith('key.bias')).map(({ grad }) => [...(grad ?? [])]);

if (process.env[setting] !== undefined) {
  process.stdout.write(JSON.stringify(gradients(await step())));
} else {
  describe('a training step', { skip: skipWithoutModule }, () => {
    it('has equal bits with one thread, two and five', async () => {
      const digests = [];
      for (const threads of ['1', '2', '5']) {
        const hash = createHash('sha256');
        for (const grad of await printed({ SIMGPT_THREADS: threads })) {
          hash.update(Float32Array.from(grad));
        }
        digests.push(hash.digest('hex'));
      }
      assert.equal(new Set(digests).size, 1);
    });

    it('agrees between the kernels of wide and narrow processors', async () => {
      const expected = gradients(await step());
      for (const level of ['avx2', 'baseline']) {
        const actual = await printed({ SIMGPT_CPU_LEVEL: level });
        for (const [i, grad] of expected.entries()) {
          const difference = worstDifference(
            Float32Array.from(actual[i] ?? []),
            Float32Array.from(grad),
          );
          assert.ok(difference < 1e-4, `${level}, parameter ${i}: ${difference}`);
        }
      }
    });
  });
}
