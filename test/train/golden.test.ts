import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import type { NativeEncoderSpec } from '#dist/native.js';
import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, loadTrainingModule, trainStep } from './train_probe.js';
import type { Numbers } from './train_probe.js';

interface GoldenStep {
  readonly loss: number;
  readonly mlmLoss: number;
  readonly masked: number;
  readonly gradients: Readonly<
    Record<string, { norm: number; product: number; at: Readonly<Record<string, number>> }>
  >;
}

interface Golden {
  readonly tokenIds: readonly (readonly number[])[];
  readonly exampleIds: readonly number[];
  readonly roles: readonly number[];
  readonly dropoutSeed: number;
  readonly step: number;
  readonly maskRate: number;
  readonly maskTokenId: number;
  readonly specialIds: readonly number[];
  readonly mlmWeight: number;
  readonly steps: Readonly<Record<'mean' | 'cls', GoldenStep>>;
}

function specOf(name: 'bert' | 'roberta', pooling: 'mean' | 'cls'): NativeEncoderSpec {
  const bert = name === 'bert';
  return {
    config: {
      modelType: name,
      vocabSize: 40,
      hiddenSize: 12,
      layerCount: 2,
      headCount: 3,
      intermediateSize: 20,
      maxPositions: bert ? 16 : 18,
      typeVocabSize: bert ? 2 : 1,
      positionOffset: bert ? 0 : 2,
      padTokenId: bert ? 0 : 1,
      layerNormEps: bert ? 1e-12 : 1e-5,
      activation: bert ? 'geluTanh' : 'gelu',
    },
    tokenizer: { kind: 'tokenizerJson', path: '/not read' },
    weights: [join(goldenDir('training'), name, 'model.safetensors')],
    pooling: [pooling],
    head: pooling === 'cls' ? 'mlp' : 'none',
    dense: [],
    maxTokens: 16,
    backend: 'cpu',
    precision: 'float64',
  };
}

/** The numbers by which golden.json knows a gradient. */
function assertGradient(
  name: string,
  grad: Numbers,
  golden: GoldenStep['gradients'][string],
): void {
  let square = 0;
  let product = 0;
  for (const [i, value] of grad.entries()) {
    square += value * value;
    product += value * Math.sin(1 + 0.37 * i);
  }
  const scale = Math.max(golden.norm, 1e-3);
  const close = (actual: number, expected: number, what: string) =>
    assert.ok(
      Math.abs(actual - expected) < 1e-10 * scale,
      `${name} ${what}: ${actual} ${expected}`,
    );
  close(Math.sqrt(square), golden.norm, 'norm');
  close(product, golden.product, 'product');
  for (const [i, value] of Object.entries(golden.at)) {
    close(grad[Number(i)] ?? Number.NaN, value, `at ${i}`);
  }
}

describe("a training step equals PyTorch's, float64", { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  for (const name of ['bert', 'roberta'] as const) {
    for (const pooling of ['mean', 'cls'] as const) {
      it(`with masked language modelling: ${name}, ${pooling}`, async () => {
        const path = join(goldenDir('training'), name, 'golden.json');
        const golden = JSON.parse(await readFile(path, 'utf8')) as Golden;
        const expected = golden.steps[pooling];
        const starts = [0];
        for (const row of golden.tokenIds) starts.push((starts.at(-1) ?? 0) + row.length);
        const { maskRate, maskTokenId, specialIds } = golden;
        const result = await trainStep(
          module,
          specOf(name, pooling),
          { mlm: true, maskRate, maskTokenId, specialIds },
          golden,
          [Int32Array.from(golden.tokenIds.flat()), Int32Array.from(starts)],
        );
        assert.equal(result.masked, expected.masked);
        assert.ok(Math.abs(result.loss / expected.loss - 1) < 1e-12);
        assert.ok(Math.abs(result.mlmLoss / expected.mlmLoss - 1) < 1e-12);
        const left = new Map(Object.entries(expected.gradients));
        for (const { name: parameter, grad } of result.parameters) {
          const prefixed = left.has(parameter) ? parameter : `${name}.${parameter}`;
          const known = left.get(prefixed);
          assert.ok(grad !== undefined && known !== undefined, parameter);
          assertGradient(parameter, grad, known);
          left.delete(prefixed);
        }
        assert.deepEqual([...left.keys()], []);
      });
    }
  }
});
