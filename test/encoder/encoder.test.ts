import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { Encoder } from '#dist/index.js';
import type { EmbedResult } from '#dist/index.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { randomNumbers, writeRandomModel } from './random_model.js';

const goldenDir = join(repoRoot, 'test/golden/bert-erf');
const load = () => Encoder.load(goldenDir, { pooling: 'mean', precision: 'float32' });

const words = 'a man woman women play plays game long the text one two three four five'.split(' ');
const hostile = [
  '',
  ' ',
  '\0',
  '\ud800 lone \udc00',
  'e\u0301'.repeat(400),
  'x'.repeat(5000),
  '\u4e2d\u6587'.repeat(200),
  '[CLS] [SEP] [PAD] [MASK]',
  '\u{1f468}\u200d\u{1f469}',
];

function manyTexts(count: number, mostWords: number): string[] {
  const random = randomNumbers(7);
  const pick = (n: number) => Math.floor(((random() + 1) / 2) * n);
  return Array.from({ length: count }, (_, i) => {
    if (i % 50 === 0) return hostile[(i / 50) % hostile.length] ?? '';
    return Array.from({ length: 1 + pick(mostWords) }, () => words[pick(words.length)]).join(' ');
  });
}

function row({ embeddings, shape }: EmbedResult, i: number): Float32Array {
  return embeddings.subarray(i * shape[1], (i + 1) * shape[1]);
}

function assertClose(actual: Float32Array, expected: Float32Array, what: string): void {
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs(value - (actual[i] ?? Number.NaN));
    assert.ok(difference <= 1e-5, `${what}: entry ${i} differs by ${difference}`);
  }
}

describe('Encoder.embed', () => {
  it('gives a text one vector alone, in any batch and order, at any budget', async (context) => {
    const dir = await temporaryFolder(context);
    const sizes = { hidden: 24, layers: 2, heads: 3, intermediate: 48, positions: 256 };
    await writeRandomModel(dir, 11, sizes);
    await using encoder = await Encoder.load(dir, { pooling: 'mean', precision: 'float32' });
    const texts = manyTexts(2000, 300);
    const lengths = (await encoder.embed(texts)).tokenCounts;
    assert.equal(Math.max(...lengths), 256);
    assert.ok(Math.min(...lengths) <= 2);

    const alone: Float32Array[] = [];
    for (const text of texts) alone.push(row(await encoder.embed([text]), 0));
    const random = randomNumbers(3);
    for (const batchTokens of [300, 1024, 20_000]) {
      const order = texts.map((_, i) => ({ i, key: random() })).sort((a, b) => a.key - b.key);
      const shuffled = order.map(({ i }) => texts[i] ?? '');
      const together = await encoder.embed(shuffled, { batchTokens });
      for (const [position, { i }] of order.entries()) {
        assertClose(row(together, position), alone[i] ?? new Float32Array(), `text ${i}`);
      }
    }
  });

  it('returns unit rows, or shorter ones on request', async () => {
    await using encoder = await load();
    const texts = ['a man plays', 'the text'];
    const whole = await encoder.embed(texts, { normalize: true });
    const cut = await encoder.embed(texts, { normalize: true, dimensions: 10 });
    assert.deepEqual(cut.shape, [2, 10]);
    for (const result of [whole, cut]) {
      for (const i of [0, 1]) assert.ok(Math.abs(Math.hypot(...row(result, i)) - 1) < 1e-6);
    }
    const scale = Math.hypot(...row(whole, 0).subarray(0, 10));
    assertClose(
      row(cut, 0),
      row(whole, 0)
        .map((x) => x / scale)
        .subarray(0, 10),
      'cut',
    );
  });

  it('reports tokens, truncation and replaced surrogates of each text', async () => {
    await using encoder = await load();
    const texts = ['a man', 'word '.repeat(60), '\ud800', ''];
    const { tokenCounts, truncated, illFormed } = await encoder.embed(texts);
    assert.deepEqual(Array.from(tokenCounts), [4, 40, 2, 2]);
    assert.deepEqual(Array.from(truncated), [0, 1, 0, 0]);
    assert.deepEqual(Array.from(illFormed), [0, 0, 1, 0]);
    assert.deepEqual(Array.from(await encoder.countTokens(texts)), [4, 62, 2, 2]);
  });

  it('gives no rows for no texts', async () => {
    await using encoder = await load();
    const { embeddings, shape } = await encoder.embed([]);
    assert.equal(embeddings.length, 0);
    assert.deepEqual(shape, [0, 24]);
  });

  it('names what is wrong with its arguments', async () => {
    await using encoder = await load();
    const rejects = (promise: Promise<unknown>, error: RegExp) => assert.rejects(promise, error);
    await rejects(encoder.embed('text' as never), /TypeError: expected texts to be an array/);
    await rejects(encoder.embed([1 as never]), /expected texts\[0\] to be a string, received num/);
    await rejects(
      encoder.embed(['a'], { dimensions: 25 }),
      /expected dimensions from 1 to 24, rec/,
    );
    await rejects(encoder.embed(['a'], { batchTokens: 0 }), /expected batchTokens from 1 to/);
    await rejects(encoder.embed(['a'], { prompt: 'query' }), /this model has no prompts, received/);
    await rejects(
      encoder.embed(['a', 'b'.repeat(4 * 2 ** 20 + 1)]),
      /expected texts\[1\] of at most 4194304 bytes, received 4194305/,
    );
  });

  it('puts the prompt before every text', async () => {
    await using encoder = await load();
    const prompted = await encoder.embed(['man plays'], { promptText: 'a ' });
    assertClose(row(prompted, 0), row(await encoder.embed(['a man plays']), 0), 'prompted');
  });

  it('reports progress up to the last text', async () => {
    await using encoder = await load();
    const seen: number[] = [];
    const texts = manyTexts(500, 30);
    await encoder.embed(texts, {
      batchTokens: 256,
      onProgress: ({ done, total }) => {
        assert.equal(total, 500);
        seen.push(done);
      },
    });
    assert.ok(seen.length > 1);
    assert.ok(seen.every((done, i) => done >= (seen[i - 1] ?? 0) && done <= 500));
  });

  it('stops when its signal aborts, and works again', async () => {
    await using encoder = await load();
    const controller = new AbortController();
    const running = encoder.embed(manyTexts(5000, 40), { signal: controller.signal });
    controller.abort();
    await assert.rejects(running, { name: 'SimgptError', code: 'cancelled' });
    assert.equal((await encoder.embed(['a man'])).shape[0], 1);
  });
});

describe('Encoder.embedStream', () => {
  it('gives the vectors of embed, in order, window by window', async () => {
    await using encoder = await load();
    const texts = manyTexts(250, 30);
    const whole = await encoder.embed(texts);
    let start = 0;
    for await (const part of encoder.embedStream(texts, { windowTexts: 100 })) {
      assert.equal(part.shape[0], Math.min(100, 250 - start));
      for (let i = 0; i < part.shape[0]; ++i) {
        assertClose(row(part, i), row(whole, start + i), `row ${start + i}`);
      }
      start += part.shape[0];
    }
    assert.equal(start, 250);
  });

  it('stops reading when its consumer stops', async () => {
    await using encoder = await load();
    let read = 0;
    function* endless() {
      for (;;) {
        ++read;
        yield 'a man plays';
      }
    }
    for await (const part of encoder.embedStream(endless(), { windowTexts: 10 })) {
      assert.equal(part.shape[0], 10);
      break;
    }
    assert.ok(read <= 30, `${read} texts read`);
  });
});

describe('Encoder', () => {
  it('refuses work after dispose, which may be called twice', async () => {
    const encoder = await load();
    const before = encoder.embed(['a man']);
    const disposed = encoder.dispose();
    await assert.rejects(encoder.embed(['a man']), { code: 'disposed' });
    assert.equal((await before).shape[0], 1);
    await disposed;
    await encoder.dispose();
    await assert.rejects(encoder.tokenize(['a']), { code: 'disposed' });
  });

  it('cuts texts at fewer tokens where it is told to', async () => {
    const options = { pooling: 'mean', precision: 'float32' } as const;
    await using encoder = await Encoder.load(goldenDir, { ...options, maxTokens: 5 });
    const { tokenCounts, truncated } = await encoder.embed(['a man plays a game', 'a man']);
    assert.deepEqual([tokenCounts[0], ...truncated], [5, 1, 0]);
    for (const maxTokens of [2, 41, 4.5, Number.NaN]) {
      await assert.rejects(
        Encoder.load(goldenDir, { ...options, maxTokens }),
        /RangeError: expected maxTokens to be an integer from 3 to 40, received/,
      );
    }
  });

  it('refuses precisions that a back end does not have', async () => {
    const reference = { pooling: 'cls', backend: 'reference' } as const;
    await assert.rejects(
      Encoder.load(goldenDir, { ...reference, precision: 'bfloat16' }),
      /expected precision 'float32' or 'float64' for the reference/,
    );
    await assert.rejects(
      Encoder.load(goldenDir, { pooling: 'cls', precision: 'float64' }),
      /RangeError: expected precision 'float32' or 'bfloat16', received 'float64'/,
    );
  });

  it('keeps an embedding on CUDA an error where there is no CUDA', async (context) => {
    const loading = Encoder.load(goldenDir, { pooling: 'cls', device: 'cuda' });
    const outcome = await loading.then(
      (encoder) => encoder,
      (error: unknown) => error,
    );
    if (outcome instanceof Encoder) {
      await outcome.dispose();
      context.skip('this machine has CUDA');
      return;
    }
    assert.equal((outcome as { code?: string }).code, 'deviceUnavailable');
  });
});
