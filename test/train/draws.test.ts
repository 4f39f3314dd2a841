import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { philox4x32 } from '#dist/random/philox.js';
import { skipWithoutModule } from '../native/test_module.js';
import { goldenDir, goldenRows, loadTrainingModule, modelSpec, trainStep } from './train_probe.js';
import { worstDifference } from './train_probe.js';

const most = 2 ** 32 - 1;
const streams = [
  { seed: 0, step: 0, example: 0, role: 0, layer: 0, site: 0 },
  { seed: 2 ** 53 - 1, step: most, example: most, role: 255, layer: 23, site: 20 },
  { seed: 2 ** 32 + 5, step: 17, example: 123_456, role: 2, layer: 11, site: 1 },
];

describe('random words of training', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();

  it("are Philox4x32-10's at the counters that PERFORMANCE 9 states", () => {
    for (const stream of streams) {
      const { seed, step, example, role, layer, site } = stream;
      for (const first of [0, 3, 2 ** 20 + 2]) {
        const words = module.drawWords({ ...stream, first, count: 9, vectors: false });
        for (const [i, word] of words.entries()) {
          const element = first + i;
          const place = (layer * 2 ** 16 + site * 2 ** 8 + role) >>> 0;
          const counter = Uint32Array.of(Math.floor(element / 4), place, example, step);
          philox4x32(counter, seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
          assert.equal(word >>> 0, counter[element % 4], `element ${element}`);
        }
      }
    }
  });

  it('are the same from the vector kernels, from any element on and in any number', () => {
    for (const stream of streams) {
      for (const first of [0, 1, 2, 3, 64, 12_345]) {
        for (const count of [0, 1, 3, 63, 64, 65, 129, 1000]) {
          const draw = { ...stream, first, count };
          assert.deepEqual(
            module.drawWords({ ...draw, vectors: true }),
            module.drawWords({ ...draw, vectors: false }),
          );
        }
      }
    }
  });
});

describe('dropout', { skip: skipWithoutModule }, () => {
  const module = loadTrainingModule();
  const train = { hiddenDropout: 0.3, attentionDropout: 0.3 };

  it('gives a row its own masks, whatever stands beside it and however it is cut', async () => {
    const [ids, starts] = await goldenRows('bert-erf');
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean' });
    const count = starts.length - 1;
    const step = { evaluates: true, step: 4 };
    const { embeddings } = await trainStep(module, spec, train, step, [ids, starts]);
    for (const chunkTokens of [1, 60]) {
      const cut = await trainStep(module, spec, train, { ...step, chunkTokens }, [ids, starts]);
      assert.ok(worstDifference(cut.embeddings, embeddings) < 1e-13);
    }
    for (let i = 0; i < count; ++i) {
      const row = ids.slice(starts[i], starts[i + 1]);
      const alone = await trainStep(
        module,
        spec,
        train,
        { ...step, exampleIds: [7 + (i >> 1)], roles: [i % 2] },
        [row, Int32Array.of(0, row.length)],
      );
      const expected = embeddings.subarray(i * 24, (i + 1) * 24);
      assert.ok(worstDifference(alone.embeddings, expected) < 1e-13, `row ${i}`);
    }
  });

  it('changes with the seed, the step, the example and the role, and not without a key', async () => {
    const [ids, starts] = await goldenRows('bert-erf');
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean' });
    const row = ids.slice(starts[3], starts[4]);
    const rows = [row, Int32Array.of(0, row.length)] as const;
    const base = { evaluates: true, step: 1, dropoutSeed: 1, exampleIds: [1], roles: [0] };
    const seen = new Map<string, string>();
    const { step: _, ...without } = base;
    for (const [what, settings] of Object.entries({
      base,
      seed: { ...base, dropoutSeed: 2 },
      seedHigh: { ...base, dropoutSeed: 2 ** 32 + 1 },
      step: { ...base, step: 2 },
      example: { ...base, exampleIds: [2] },
      role: { ...base, roles: [1] },
      none: without,
    })) {
      const { embeddings } = await trainStep(module, spec, train, settings, rows);
      const bytes = Buffer.from(embeddings.buffer).toString('hex');
      assert.equal(seen.get(bytes), undefined, what);
      seen.set(bytes, what);
    }
  });

  it('is off where its rate is 0 or there is no key', async () => {
    const rows = await goldenRows('bert-erf');
    const spec = await modelSpec(goldenDir('bert-erf'), { pooling: 'mean' });
    const still = { hiddenDropout: 0, attentionDropout: 0 };
    const plain = await trainStep(module, spec, still, { evaluates: true }, rows);
    const keyed = await trainStep(module, spec, still, { evaluates: true, step: 3 }, rows);
    const unkeyed = await trainStep(module, spec, train, { evaluates: true }, rows);
    assert.deepEqual(keyed.embeddings, plain.embeddings);
    assert.deepEqual(unkeyed.embeddings, plain.embeddings);
  });
});
