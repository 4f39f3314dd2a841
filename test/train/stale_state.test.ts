import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { Encoder, Optimizer, withDropout } from '#dist/index.js';
import type { LoadOptions, Loss } from '#dist/index.js';
import { sessionOf } from '#dist/train/session.js';
import { goldenModel } from '../cli/golden_model.js';
import { temporaryFolder } from '../temporary_folder.js';

const batch = { anchors: ['a man', 'one word'], positives: ['the man', 'two words'] };
const infoNce: Loss = { kind: 'infoNce' };
// Refused behind the forward pass: the embeddings are narrower.
const tooWide: Loss = { kind: 'matryoshka', sizes: [9999], losses: [infoNce] };

function load(options: LoadOptions = {}): Promise<Encoder> {
  const trains = { kind: 'deepPrompt', length: 3 } as const;
  return Encoder.load(goldenModel, { pooling: 'mean', precision: 'float32', trains, ...options });
}

async function vectors(encoder: Encoder): Promise<Float32Array> {
  return (await encoder.embed(batch.anchors)).embeddings;
}

/** The vectors of a model that knows nothing but the saved state. */
async function afresh(encoder: Encoder, file: string, options: LoadOptions) {
  await encoder.saveTrainingState(file);
  await using other = await load(options);
  await other.loadTrainingState(file);
  return vectors(other);
}

describe('a deep prompt is never one of before', () => {
  for (const reparameterized of [false, true]) {
    const options = {
      trains: { kind: 'deepPrompt', length: 3, reparameterized },
      dropout: { hidden: 0, attention: 0 },
    } as const;
    const kind = reparameterized ? 'through its reparameterisation' : 'of a table';

    test(`embedded between gradient and step, ${kind}`, async (context) => {
      const folder = await temporaryFolder(context);
      await using encoder = await load(options);
      await using optimizer = new Optimizer(encoder);
      await encoder.accumulateGradients(batch, infoNce);
      const before = await vectors(encoder);
      await optimizer.step({ learningRate: 0.5 });
      const after = await vectors(encoder);
      assert.notDeepEqual(after, before);
      assert.deepEqual(after, await afresh(encoder, join(folder, 'state'), options));
    });

    test(`embedded, then loaded, ${kind}`, async (context) => {
      const folder = await temporaryFolder(context);
      await using encoder = await load({ ...options, seed: 1 });
      await using other = await load({ ...options, seed: 2 });
      await other.saveTrainingState(join(folder, 'state'));
      await vectors(encoder);
      await encoder.loadTrainingState(join(folder, 'state'));
      assert.deepEqual(await vectors(encoder), await vectors(other));
    });

    test(`a batch that failed leaves nothing of its gradient, ${kind}`, async () => {
      await using encoder = await load(options);
      await using optimizer = new Optimizer(encoder);
      const norm = async (): Promise<number> => {
        await encoder.accumulateGradients(batch, infoNce);
        return optimizer.step({ learningRate: 0 });
      };
      const first = await norm();
      await assert.rejects(encoder.accumulateGradients(batch, tooWide), RangeError);
      assert.equal(await norm(), first);
    });
  }
});

describe('a learned temperature', () => {
  const learned: Loss = { kind: 'infoNce', temperature: { kind: 'learned', initial: 0.2 } };
  const options = { trains: { kind: 'head' }, pooling: 'cls', head: 'mlp' } as const;

  test('loses its gradient with the others where a batch fails', async () => {
    await using encoder = await load(options);
    await using optimizer = new Optimizer(encoder);
    await encoder.accumulateGradients(batch, learned, { step: 1 });
    const norm = await optimizer.step({ learningRate: 0 });
    await encoder.accumulateGradients(batch, learned, { step: 1 });
    await assert.rejects(encoder.accumulateGradients(batch, tooWide, { step: 1 }), RangeError);
    await encoder.accumulateGradients(batch, learned, { step: 1 });
    assert.equal(await optimizer.step({ learningRate: 0 }), norm);
  });

  test('does not come with a state that is refused', async (context) => {
    const folder = await temporaryFolder(context);
    const file = join(folder, 'state');
    await using encoder = await load(options);
    await encoder.accumulateGradients(batch, learned, { step: 1 });
    await encoder.saveTrainingState(file);
    await using other = await load();
    await assert.rejects(other.loadTrainingState(file), { code: 'fileInvalid' });
    const { temperature } = await sessionOf(other).native.progress();
    assert.ok(Number.isNaN(temperature), `${temperature}`);
    await using same = await load(options);
    await same.loadTrainingState(file);
    const loaded = await sessionOf(same).native.progress();
    assert.ok(Math.abs(loaded.temperature - 0.2) < 1e-12);
  });
});

test('no texts give no vectors, in training too', async () => {
  await using encoder = await load();
  const { embeddings, shape } = await encoder.embed([]);
  assert.deepEqual([embeddings.length, ...shape], [0, 0, encoder.dimensions]);
});

describe('a reference whose dropout stays on', () => {
  const multiCsr = { kind: 'multiCsr', above: 0.3, masked: 'zeroScore' } as const;
  const texts = [...batch.anchors, ...batch.anchors];
  const asked = { texts, examples: 2, exampleIds: Int32Array.of(5, 6) };

  test('has masks by seed, step, example and place', async () => {
    await using encoder = await load({ trains: { kind: 'bitFit' }, seed: 3 });
    const reference = withDropout(encoder);
    const rows = await reference.embedExamples({ ...asked, step: 4 });
    assert.deepEqual(await reference.embedExamples({ ...asked, step: 4 }), rows);
    assert.notDeepEqual(await reference.embedExamples({ ...asked, step: 5 }), rows);
    const width = rows.length / texts.length;
    assert.notDeepEqual(rows.slice(0, width), rows.slice(2 * width, 3 * width));
    await using other = await load({ trains: { kind: 'bitFit' }, seed: 4 });
    assert.notDeepEqual(await withDropout(other).embedExamples({ ...asked, step: 4 }), rows);
  });

  test('tells false negatives by these vectors', async () => {
    await using encoder = await load({ trains: { kind: 'all' } });
    await using second = await load({ trains: { kind: 'bitFit' }, seed: 9 });
    const reference = withDropout(second);
    const given = { ...batch, exampleIds: [5, 6] };
    const { loss } = await encoder.accumulateGradients(
      given,
      { ...multiCsr, reference },
      { step: 2 },
    );
    const rows = await reference.embedExamples({
      ...asked,
      texts: [...batch.anchors, ...batch.positives],
      step: 2,
    });
    const half = rows.length / 2;
    const referenceEmbeddings = { anchors: rows.slice(0, half), positives: rows.slice(half) };
    const byHand = await encoder.accumulateGradients(
      { ...given, referenceEmbeddings },
      { ...multiCsr },
      { step: 2 },
    );
    assert.equal(byHand.loss, loss);
  });

  test('is an encoder that trains', async () => {
    await using encoder = await Encoder.load(goldenModel, { pooling: 'mean' });
    assert.throws(() => withDropout(encoder), { name: 'TypeError', message: /that trains/ });
  });
});
