import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { loadTestModule, skipWithoutModule } from '../native/test_module.js';
import { repoRoot } from '../shared_data.js';

interface GoldenRun {
  readonly start: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly norms: readonly number[];
  readonly end: readonly number[];
}

interface Golden {
  readonly options: Readonly<Record<'weightDecay' | 'beta1' | 'beta2' | 'epsilon', number>>;
  readonly learningRates: readonly number[];
  readonly maxGradNorm: number;
  readonly decaying: number;
  readonly float64: GoldenRun;
  readonly float32: GoldenRun;
}

describe('AdamW', { skip: skipWithoutModule }, async () => {
  const path = join(repoRoot, 'test/golden/adamw/golden.json');
  const golden = JSON.parse(await readFile(path, 'utf8')) as Golden;
  const options = {
    ...golden.options,
    decaying: golden.decaying,
    learningRates: Float64Array.from(golden.learningRates),
    learningRate: 0,
    copies: 1,
  };

  const compare = async (
    Numbers: Float32ArrayConstructor | Float64ArrayConstructor,
    run: GoldenRun,
    tolerance: number,
  ): Promise<void> => {
    const { values, norms } = await loadTestModule().adamWSteps(
      Numbers.from(run.start),
      Numbers.from(run.gradients.flat()),
      { ...options, maxGradNorm: golden.maxGradNorm },
      0,
    );
    for (const [i, norm] of run.norms.entries()) {
      assert.ok(Math.abs(norms[i]! - norm) <= tolerance * norm, `norm ${i}`);
    }
    for (const [i, value] of run.end.entries()) {
      assert.ok(Math.abs(values[i]! - value) <= tolerance, `${i}: ${values[i]}, ${value}`);
    }
  };

  test('equals PyTorch in float64, clipped, with and without decay', async () => {
    await compare(Float64Array, golden.float64, 1e-14);
  });

  test('equals PyTorch in float32 to its rounding', async () => {
    await compare(Float32Array, golden.float32, 3e-7);
  });

  test('sums the norm over tensors of many blocks, and updates each element alike', async () => {
    const copies = 7001; // of 14 values: 98,014 numbers
    const run = golden.float64;
    const given = [Float64Array.from(run.start), Float64Array.from(run.gradients.flat())] as const;
    const one = await loadTestModule().adamWSteps(...given, options, 0);
    const many = await loadTestModule().adamWSteps(...given, { ...options, copies }, 0);
    for (const [i, norm] of one.norms.entries()) {
      assert.ok(Math.abs(many.norms[i]! - Math.sqrt(copies) * norm) <= 1e-10 * many.norms[i]!);
    }
    for (const [i, value] of one.values.entries()) {
      assert.equal(many.values[i * copies], value);
      assert.equal(many.values[(i + 1) * copies - 1], value);
    }
  });
});
