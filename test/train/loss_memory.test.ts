import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { loadTestModule, skipWithoutModule } from '../native/test_module.js';

describe('the fused InfoNCE', { skip: skipWithoutModule }, () => {
  const shape = { hardNegatives: 1, width: 32, temperature: 0.05, rounds: 1, seed: 2 } as const;
  const extraBytes = async (form: 'fused' | 'plain', examples: number): Promise<number> =>
    (await loadTestModule().measureInfoNce({ ...shape, examples, form }, 0)).extraBytes;

  test('takes a tenth of plain cross entropy at most, where scores outweigh vectors', async () => {
    const plain = await extraBytes('plain', 1536);
    assert.ok(plain > 2 * 1536 * 3072 * 4, `${plain}`);
    assert.ok((await extraBytes('fused', 1536)) <= plain / 10);
  });

  test('grows with the rows, not with their square', async () => {
    const [small, large] = [await extraBytes('fused', 1024), await extraBytes('fused', 4096)];
    assert.ok(large <= 4 * small, `${small}, ${large}`);
  });

  test('equals plain cross entropy', async () => {
    const run = { ...shape, examples: 300 } as const;
    const fused = await loadTestModule().measureInfoNce({ ...run, form: 'fused' }, 0);
    const plain = await loadTestModule().measureInfoNce({ ...run, form: 'plain' }, 0);
    assert.ok(Math.abs(fused.value - plain.value) <= 1e-6);
    const largest = plain.anchors.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [i, value] of plain.anchors.entries()) {
      assert.ok(Math.abs(fused.anchors[i]! - value) <= 1e-5 * largest);
    }
  });
});
