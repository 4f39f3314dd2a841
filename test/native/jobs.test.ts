import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { SimgptError } from '#dist/errors.js';
import { runJob } from '#dist/native.js';
import {
  blockLane,
  encoderSpec,
  loadTestModule,
  packTexts,
  skipWithoutModule,
  withEncoder,
} from './test_module.js';
import type { TestModule } from './test_module.js';

const quick = { tiles: 1, tileMs: 0, work: 'sleep' } as const;
const endless = { tiles: 1_000_000, tileMs: 1, work: 'sleep' } as const;

describe('jobs of the native boundary', { skip: skipWithoutModule }, () => {
  let addon: TestModule;
  before(() => {
    addon = loadTestModule();
  });

  test('embed gives a row for each text in input order, in memory of its own', async () => {
    await withEncoder(addon, async (encoder) => {
      const texts = ['', 'a', 'bc'];
      const { embeddings, tokenCounts, truncated } = await encoder.embed(
        ...packTexts(...texts),
        undefined,
        0,
      );
      assert.ok(embeddings instanceof Float32Array);
      assert.deepEqual([...embeddings.subarray(0, 3)], [0, 0, 0]);
      assert.deepEqual([...embeddings.subarray(8, 11)], [97, 1, 1]);
      assert.deepEqual([...embeddings.subarray(16, 19)], [98 + 99, 2, 2]);
      assert.deepEqual(tokenCounts, Int32Array.of(0, 1, 2));
      assert.deepEqual(truncated, Uint8Array.of(0, 0, 0));
    });
  });

  test('offsets may be 64-bit integers, and large results are whole', async () => {
    await withEncoder(addon, async (encoder) => {
      const count = 5_000;
      const offsets = BigUint64Array.from({ length: count + 1 }, (_, i) => BigInt(i));
      const { embeddings } = await encoder.embed(new Uint8Array(count), offsets, undefined, 0);
      assert.equal(embeddings.length, count * 8);
      assert.equal(embeddings[8 * (count - 1) + 2], count - 1);
    });
  });

  test('tokens in, tokens out: packed ids with their starts', async () => {
    await withEncoder(addon, async (encoder) => {
      const tokens = await encoder.tokenize(...packTexts('ab', '', 'c'), undefined, 0);
      assert.deepEqual(tokens.tokenIds, Int32Array.of(97, 98, 99));
      assert.deepEqual(tokens.cuSeqlens, Int32Array.of(0, 2, 2, 3));
      assert.deepEqual(tokens.fullLengths, Int32Array.of(2, 0, 1));
      const { tokenCounts } = await encoder.embedTokens(
        tokens.tokenIds,
        tokens.cuSeqlens,
        undefined,
        0,
      );
      assert.deepEqual(tokenCounts, Int32Array.of(2, 0, 1));
    });
  });

  test('texts are copied when embed is called: later changes are not seen', async () => {
    await withEncoder(addon, async (encoder) => {
      const blocked = blockLane(addon, 11);
      const [bytes, offsets] = packTexts('ab');
      const job = encoder.embed(bytes, offsets, undefined, 0);
      bytes.fill(0);
      offsets.fill(0);
      addon.cancel(11);
      await blocked;
      assert.equal((await job).embeddings[0], 97 + 98);
    });
  });

  test('an option getter that detaches the texts is seen, whenever it runs', async () => {
    await withEncoder(addon, async (encoder) => {
      const [bytes, offsets] = packTexts('ab');
      const own = new Uint8Array(bytes);
      const options = {
        get normalize(): boolean {
          structuredClone(own, { transfer: [own.buffer] });
          return true;
        },
      };
      assert.throws(() => encoder.embed(own, offsets, options, 0), {
        name: 'TypeError',
        message: /^expected the buffer of texts to be attached.*, received a detached one$/,
      });
    });
  });

  test('an option getter that disposes the encoder makes the call fail as disposed', async () => {
    const encoder = await addon.loadEncoder(encoderSpec, 0);
    const options = {
      get normalize(): boolean {
        void encoder.dispose();
        return true;
      },
    };
    assert.throws(() => encoder.embed(...packTexts('a'), options, 0), { code: 'disposed' });
  });

  test('progress comes before the answer, the last report included', async () => {
    const seen: number[] = [];
    await addon.runTiles({ tiles: 3, tileMs: 5, work: 'sleep' }, 0, (done, total) => {
      assert.equal(total, 3);
      seen.push(done);
    });
    assert.equal(seen.at(-1), 3);
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
  });

  test('an exception of the progress callback, of any type, cancels the job and rejects it', async () => {
    for (const thrown of [new Error('mine'), 5, undefined, Symbol('s'), null]) {
      const job = addon.runTiles(endless, 0, () => {
        // oxlint-disable-next-line typescript/only-throw-error -- a program may throw anything
        throw thrown;
      });
      await assert.rejects(job, (error: unknown) => error === thrown);
    }
  });

  test('a signal cancels the running job and leaves the next ones alone', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const job = runJob(
      controller.signal,
      (token) => addon.runTiles(endless, token, () => controller.abort(reason)),
      addon,
    );
    const next = addon.runTiles(quick, 0);
    await assert.rejects(job, (error: unknown) => {
      assert.ok(error instanceof SimgptError);
      assert.equal(error.code, 'cancelled');
      assert.equal(error.cause, reason);
      return true;
    });
    await next;
  });

  test('a job cancelled while it waits is answered at once and never runs', async () => {
    const jobsBefore = addon.counters().jobs;
    const blocked = blockLane(addon, 21);
    const controller = new AbortController();
    const waiting = runJob(controller.signal, (token) => addon.runTiles(quick, token), addon);
    controller.abort();
    await assert.rejects(waiting, { code: 'cancelled' });
    addon.cancel(21);
    await blocked;
    assert.ok(addon.counters().jobs - jobsBefore <= 1);
  });

  test('an aborted signal rejects without a call; a late abort changes nothing', async () => {
    const controller = new AbortController();
    await runJob(controller.signal, (token) => addon.runTiles(quick, token), addon);
    controller.abort();
    let called = false;
    const job = runJob(
      controller.signal,
      (token) => {
        called = true;
        return addon.runTiles(quick, token);
      },
      addon,
    );
    await assert.rejects(job, { code: 'cancelled' });
    assert.equal(called, false);
  });

  test('a failure of a job carries the stack of the function that called it', async () => {
    const missing = { ...encoderSpec, weights: ['missing'] };
    async function theCaller(): Promise<void> {
      await addon.loadEncoder(missing, 0);
    }
    await assert.rejects(theCaller(), (error: unknown) => {
      assert.ok(error instanceof SimgptError);
      assert.equal(error.code, 'fileNotFound');
      assert.match(error.stack ?? '', /^SimgptError: no file named missing\n {4}at theCaller /);
      return true;
    });
  });

  test('a program that formats stacks its own way still gets its error', async () => {
    const prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    let code: unknown;
    try {
      Error.prepareStackTrace = () => ({ not: 'a string' });
      await addon.loadEncoder({ ...encoderSpec, weights: ['missing'] }, 0);
    } catch (error) {
      code = (error as SimgptError).code;
    } finally {
      if (prepare === undefined) delete (Error as Partial<ErrorConstructor>).prepareStackTrace;
      else Object.defineProperty(Error, 'prepareStackTrace', prepare);
    }
    assert.equal(code, 'fileNotFound');
  });

  test('info describes the encoder and its memory is released by dispose', async () => {
    addon.configureEncoder({ bytes: 1 << 20 });
    const encoder = await addon.loadEncoder(encoderSpec, 0);
    assert.deepEqual(encoder.info(), {
      dimensions: 8,
      memoryBytes: 1 << 20,
      maxTokens: 16,
      backend: 'cpu',
      precision: 'float32',
    });
    assert.equal(addon.counters().liveEncoders, 1);
    await Promise.all([encoder.dispose(), encoder.dispose()]);
    assert.equal(addon.counters().liveEncoders, 0);
    assert.throws(() => encoder.info(), { code: 'disposed' });
  });

  test('memory held by handles is reported to V8 and taken back on dispose', async () => {
    const megabytes = (): number => addon.counters().externalBytes / 2 ** 20;
    const atStart = megabytes();
    const tensor = await addon.makeTensor(256 << 20);
    assert.ok(megabytes() - atStart > 192, `${megabytes()} after ${atStart}`);
    await tensor.dispose();
    assert.ok(megabytes() - atStart < 64, `${megabytes()} after ${atStart}`);
  });
});
