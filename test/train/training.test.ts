import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { Encoder, Optimizer } from '#dist/index.js';
import type { ExampleBatch, GradientBatch, LoadOptions, Loss } from '#dist/index.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';

const model = join(repoRoot, 'test/golden/bert-erf');
const infoNce: Loss = { kind: 'infoNce', temperature: 0.05 };
const batch: GradientBatch = {
  anchors: ['a cat sleeps', 'rain falls on the town', 'two men play chess'],
  positives: ['a cat is asleep', 'it is raining in town', 'men are playing a game'],
  hardNegatives: [['a cat is awake'], ['the town is dry'], ['two men sleep', 'a dog barks']],
};

async function load(options: LoadOptions = {}): Promise<Encoder> {
  return Encoder.load(model, { trains: { kind: 'all' }, pooling: 'mean', seed: 3, ...options });
}

async function steps(encoder: Encoder, optimizer: Optimizer, count: number, from = 0) {
  const losses: number[] = [];
  for (let step = from; step < from + count; ++step) {
    const { loss } = await encoder.accumulateGradients(batch, infoNce, { step });
    losses.push(loss, await optimizer.step({ learningRate: 1e-3, maxGradNorm: 1 }));
  }
  return losses;
}

describe('a loop of one’s own', () => {
  test('as the style guide writes it lowers the loss', async () => {
    const schedule = (at: number): number => 2e-3 * (1 - at / 12);
    const batches = Array.from({ length: 12 }, () => batch);
    const losses: number[] = [];
    let step = 0;
    await using encoder = await load({ dropout: { hidden: 0, attention: 0 } });
    await using optimizer = new Optimizer(encoder, { weightDecay: 0.01 });
    for (const each of batches) {
      const { loss } = await encoder.accumulateGradients(each, infoNce);
      const gradNorm = await optimizer.step({ learningRate: schedule(step++), maxGradNorm: 1 });
      assert.ok(gradNorm > 0);
      losses.push(loss);
    }
    assert.ok(losses.at(-1)! < 0.8 * losses[0]!, losses.join(', '));
  });
});

describe('training state', () => {
  const computed: readonly (readonly [string, LoadOptions])[] = [
    ['our kernels', {}],
    ['plain operators', { backend: 'reference' }],
    ['plain operators in bfloat16', { backend: 'reference', precision: 'bfloat16' }],
  ];
  for (const [what, options] of computed) {
    test(`resumes to the same bits, dropout on: ${what}`, async (context) => {
      const folder = await temporaryFolder(context);
      const path = join(folder, 'state.safetensors');
      const again = join(folder, 'again.safetensors');
      await using whole = await load(options);
      await using wholeOptimizer = new Optimizer(whole, { weightDecay: 0.01 });
      await steps(whole, wholeOptimizer, 3);
      await whole.saveTrainingState(path);
      const expected = await steps(whole, wholeOptimizer, 3, 3);
      await using resumed = await load(options);
      await using optimizer = new Optimizer(resumed, { weightDecay: 0.01 });
      await resumed.loadTrainingState(path);
      assert.deepEqual(await steps(resumed, optimizer, 3, 3), expected);
      await whole.saveTrainingState(path);
      await resumed.saveTrainingState(again);
      assert.ok((await readFile(path)).equals(await readFile(again)));
    });
  }

  test('of another model is refused, and nothing has changed', async (context) => {
    const path = join(await temporaryFolder(context), 'state.safetensors');
    await using biases = await load({ trains: { kind: 'bitFit' } });
    await biases.saveTrainingState(path);
    await using encoder = await load();
    const before = await encoder.embed(['a cat sleeps']);
    await assert.rejects(encoder.loadTrainingState(path), {
      code: 'fileInvalid',
      message: /state\.safetensors: expected \d+ tensors, received \d+$/,
    });
    await writeFile(path, 'no safetensors');
    await assert.rejects(encoder.loadTrainingState(path), { code: 'fileInvalid' });
    assert.deepEqual(await encoder.embed(['a cat sleeps']), before);
  });

  test('brings a learned temperature back', async (context) => {
    const path = join(await temporaryFolder(context), 'state.safetensors');
    const learned: Loss = { kind: 'infoNce', temperature: { kind: 'learned', initial: 0.1 } };
    const run = async (encoder: Encoder, optimizer: Optimizer, step: number): Promise<number> => {
      const { loss } = await encoder.accumulateGradients(batch, learned, { step });
      await optimizer.step({ learningRate: 0.05 });
      return loss;
    };
    await using encoder = await load();
    await using optimizer = new Optimizer(encoder);
    const fixed = await encoder.accumulateGradients(batch, {
      kind: 'infoNce',
      temperature: 0.1,
    });
    await using fresh = await load();
    await using freshOptimizer = new Optimizer(fresh);
    assert.equal(await run(fresh, freshOptimizer, 0), fixed.loss);
    await fresh.saveTrainingState(path);
    await encoder.loadTrainingState(path);
    assert.equal(await run(encoder, optimizer, 1), await run(fresh, freshOptimizer, 1));
  });
});

describe('saving', () => {
  const variants: readonly (readonly [string, LoadOptions])[] = [
    ['all parameters', {}],
    ['LoRA, merged', { trains: { kind: 'lora', rank: 4 } }],
    ['LoRA, merged, plain operators', { trains: { kind: 'lora', rank: 4 }, backend: 'reference' }],
    ['a fresh head', { pooling: 'cls', head: 'mlp' }],
    ['a head that training alone has', { pooling: 'cls', head: 'mlp', testHead: 'none' }],
  ];
  for (const [name, options] of variants) {
    test(`${name}: the folder loads to the same vectors`, async (context) => {
      const dir = join(await temporaryFolder(context), 'model');
      await using encoder = await load(options);
      await using optimizer = new Optimizer(encoder);
      const before = await encoder.embed(batch.anchors);
      await steps(encoder, optimizer, 2);
      const trained = await encoder.embed(batch.anchors);
      await encoder.save(dir);
      await using loaded = await Encoder.load(dir, { precision: 'float32' });
      const read = await loaded.embed(batch.anchors);
      for (const [i, value] of trained.embeddings.entries()) {
        assert.ok(Math.abs(value - read.embeddings[i]!) <= 1e-5);
      }
      assert.notDeepEqual(before.embeddings, trained.embeddings);
      await assert.rejects(encoder.save(dir), { code: 'outputExists' });
    });
  }

  test('a deep prompt and LoRA’s matrices are kept apart', async (context) => {
    const folder = await temporaryFolder(context);
    await using prompted = await load({ trains: { kind: 'deepPrompt', length: 2 } });
    await prompted.save(join(folder, 'prompt'));
    await readFile(join(folder, 'prompt/deep_prompt.safetensors'));
    await using lora = await load({ trains: { kind: 'lora', rank: 4 } });
    await lora.save(join(folder, 'lora'));
    await readFile(join(folder, 'lora/adapter/adapter_model.safetensors'));
    const config: unknown = JSON.parse(
      await readFile(join(folder, 'lora/adapter/adapter_config.json'), 'utf8'),
    );
    assert.deepEqual((config as { target_modules: unknown }).target_modules, [
      'attention.output.dense',
      'attention.self.key',
      'attention.self.query',
      'attention.self.value',
      'intermediate.dense',
      'output.dense',
    ]);
  });
});

describe('what is no number', () => {
  test('stops a step and names the step, the examples and the loss', async () => {
    await using encoder = await load({ dropout: { hidden: 0, attention: 0 } });
    await using optimizer = new Optimizer(encoder);
    // A step so large that weights overflow at the next.
    await encoder.accumulateGradients(batch, infoNce);
    await optimizer.step({ learningRate: 1e38 });
    const examples = batch.anchors.map((anchor, i) => ({
      id: `row-${i}`,
      anchor,
      positive: batch.positives[i]!,
    }));
    const given: ExampleBatch = { step: 7, examples };
    await assert.rejects(encoder.accumulateGradients(given, infoNce), {
      code: 'trainingDiverged',
      message:
        'step 7: expected finite numbers in embeddings, received NaN or infinity ' +
        '(examples row-0, row-1, row-2)',
    });
  });

  test('in a gradient names the parameter, and nothing is stepped', async () => {
    await using encoder = await load({ dropout: { hidden: 0, attention: 0 } });
    await using optimizer = new Optimizer(encoder);
    const before = await encoder.embed(batch.anchors);
    const weighted: Loss = { ...infoNce, weight: 1e300 };
    await encoder.accumulateGradients(batch, weighted, { step: 4 });
    await assert.rejects(optimizer.step({ learningRate: 1 }), {
      code: 'trainingDiverged',
      message: /^step 4: .* in the gradient of \S+, received NaN or infinity \(examples 0, 1, 2\)$/,
    });
    assert.deepEqual(await encoder.embed(batch.anchors), before);
    await encoder.accumulateGradients(batch, infoNce);
    assert.ok((await optimizer.step({ learningRate: 0 })) > 0);
  });
});

describe('misuse says what was expected', () => {
  test('an encoder that does not train', async () => {
    await using encoder = await Encoder.load(model, { pooling: 'mean' });
    assert.throws(() => new Optimizer(encoder), { name: 'TypeError', message: /that trains/ });
    await assert.rejects(encoder.accumulateGradients(batch, infoNce), TypeError);
    await assert.rejects(encoder.save('/nowhere'), TypeError);
  });

  const wrong: readonly (readonly [string, unknown, unknown, RegExp])[] = [
    ['no examples', { anchors: [], positives: [] }, infoNce, /at least one example, received 0$/],
    [
      'too few positives',
      { anchors: ['a', 'b'], positives: ['c'] },
      infoNce,
      /^expected 2 positives, one per example, received 1$/,
    ],
    [
      'a weight of 0',
      { ...batch, rowWeights: [1, 0, 1] },
      infoNce,
      /^expected rowWeights\[1\] > 0, received 0$/,
    ],
    [
      'an unknown loss',
      batch,
      { kind: 'magic' },
      /^expected loss\.kind to be one of infoNce, .* magic$/,
    ],
    ['a mask without an encoder', batch, { kind: 'multiCsr' }, /^expected reference embeddings/],
    ['a fraction of a step', { ...batch, examples: undefined }, infoNce, /^expected step to be/],
  ];
  for (const [name, given, loss, message] of wrong) {
    test(name, async () => {
      await using encoder = await load();
      const { examples: _, ...plain } = given as ExampleBatch;
      const options = name === 'a fraction of a step' ? { step: 0.5 } : {};
      await assert.rejects(
        encoder.accumulateGradients(plain as unknown as GradientBatch, loss as Loss, options),
        { name: 'RangeError', message },
      );
    });
  }

  const untyped: readonly (readonly [string, object, unknown, RegExp])[] = [
    ['a text for a list', { anchors: 'abc' }, infoNce, /^expected anchors to be a list of texts, /],
    ['no positives', { positives: undefined }, infoNce, /^expected positives .* received nothing$/],
    [
      'null for a text',
      { positives: ['a', null, 'b'] },
      infoNce,
      /^expected positives\[1\] to be a text, received null$/,
    ],
    [
      'hard negatives that are no lists',
      { hardNegatives: ['a', 'b', 'c'] },
      infoNce,
      /^expected hardNegatives\[0\] to be a list of texts, received "a"$/,
    ],
    ['no loss', {}, undefined, /^expected a loss with a kind out of infoNce, .* undefined$/],
  ];
  for (const [name, other, loss, message] of untyped) {
    test(`JavaScript: ${name}`, async () => {
      await using encoder = await load();
      const given = { ...batch, ...other } as GradientBatch;
      const call = encoder.accumulateGradients(given, loss as Loss);
      await assert.rejects(call, { name: 'TypeError', message });
    });
  }

  test('an aborted batch leaves no gradient behind', async () => {
    await using encoder = await load({ dropout: { hidden: 0, attention: 0 } });
    await using optimizer = new Optimizer(encoder);
    const controller = new AbortController();
    const call = encoder.accumulateGradients(batch, infoNce, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(call, { code: 'cancelled' });
    await encoder.accumulateGradients(batch, infoNce);
    const norm = await optimizer.step({ learningRate: 0 });
    await encoder.accumulateGradients(batch, infoNce);
    assert.equal(await optimizer.step({ learningRate: 0 }), norm);
  });
});

describe('encoders that losses ask', () => {
  test('teach and tell false negatives', async () => {
    await using teacher = await Encoder.load(model, { pooling: 'mean', precision: 'float32' });
    await using encoder = await load({ dropout: { hidden: 0, attention: 0 } });
    const same = await encoder.accumulateGradients(batch, { kind: 'distillation', teacher });
    assert.ok(same.loss < 1e-9, `${same.loss}`);
    const masked = await encoder.accumulateGradients(batch, {
      kind: 'infoNce',
      excludeFalseNegatives: { reference: teacher, above: -1 },
    });
    assert.equal(masked.loss, 0);
    assert.deepEqual(masked.parts, { infoNce: 0 });
  });
});
