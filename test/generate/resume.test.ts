import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { SimgptError } from '#dist/errors.js';
import { openJournal } from '#dist/files/journal.js';
import type { Provider } from '#dist/generate/provider.js';
import { verifyRun } from '#dist/generate/verify.js';
import { temporaryFolder } from '../temporary_folder.js';
import { startFakeServer } from './fake_process.js';
import { jumpingClock, runTiny, writeSentences } from './tiny_run.js';

async function scene(t: Parameters<typeof temporaryFolder>[0], count: number) {
  const root = await temporaryFolder(t);
  const server = await startFakeServer({ reply: 'numbered' });
  t.after(() => server[Symbol.asyncDispose]());
  const input = await writeSentences(root, count);
  const run = { folder: join(root, 'run'), input, baseUrl: server.baseUrl, bare: true };
  const rows = async (): Promise<number> =>
    (await readFile(join(run.folder, 'data.jsonl'), 'utf8')).split('\n').length - 1;
  return { root, server, run, rows };
}

test('another limit, seed or model buys what is new and keeps what fits', async (t) => {
  const { server, run, rows } = await scene(t, 30);
  await runTiny({ ...run, limit: 10 });
  assert.deepEqual([await rows(), (await server.bill()).calls], [10, 10]);
  await runTiny(run);
  assert.deepEqual([await rows(), (await server.bill()).calls], [30, 30]);
  await runTiny({ ...run, limit: 20 });
  assert.deepEqual([await rows(), (await server.bill()).calls], [20, 30]);
  await runTiny({ ...run, seed: 2 });
  assert.deepEqual([await rows(), (await server.bill()).calls], [30, 60]);
  assert.deepEqual((await verifyRun(run.folder)).doubts, []);
});

test('another input is refused by name until it is asked for', async (t) => {
  const { server, run, rows } = await scene(t, 10);
  await runTiny(run);
  await appendFile(run.input, 'A last boat.\n');
  await assert.rejects(runTiny(run), (error) => {
    return error instanceof SimgptError && /expected the input of this run/.test(error.message);
  });
  const result = await runTiny(run, { acceptsChangedInput: true });
  assert.equal(result.kind, 'done');
  assert.deepEqual([await rows(), (await server.bill()).calls], [11, 11]);
});

test('an input that changes during the run, or names an id twice, is no silent matter', async (t) => {
  const { root, run } = await scene(t, 10);
  let changed: Promise<void> | undefined;
  const onProgress = (): void => {
    changed ??= appendFile(run.input, 'One more.\n');
  };
  await assert.rejects(runTiny(run, { onProgress }), /expected no change during the run/);
  const twice = join(root, 'twice.jsonl');
  await writeFile(twice, '{"id":"a","text":"x"}\n{"id":"a","text":"y"}\n');
  const again = { ...run, folder: join(root, 'twice'), input: twice };
  await assert.rejects(runTiny(again), /expected each id once, received "a" twice/);
});

test('a missing file of a finished run is written again without a call', async (t) => {
  const { server, run, rows } = await scene(t, 10);
  await runTiny(run);
  await rm(join(run.folder, 'data.jsonl'));
  const result = await runTiny(run);
  assert.deepEqual([result.kind, await rows(), (await server.bill()).calls], ['done', 10, 10]);
});

test('calls that were given up are tried again where that is asked for', async (t) => {
  const { server, run, rows } = await scene(t, 5);
  const provider: Provider = {
    chat: async () => ({
      kind: 'notBilled',
      reason: 'too_large',
      advice: 'fail',
      status: 413,
      usage: undefined,
      retryAfterMs: undefined,
      content: undefined,
      detail: undefined,
      headers: new Map(),
    }),
    [Symbol.asyncDispose]: async () => {},
  };
  const failed = await runTiny({ ...run, provider });
  assert.deepEqual(failed.commit?.quarantined, { failed: 5 });
  assert.equal((await runTiny(run)).kind, 'finishedBefore');
  const result = await runTiny(run, { retriesFailed: true });
  assert.deepEqual(result.commit?.quarantined, {});
  assert.deepEqual([await rows(), (await server.bill()).calls], [5, 5]);
});

test('a cap stops the run, what is claimed comes in, and a higher cap goes on', async (t) => {
  const { server, run, rows } = await scene(t, 30);
  const stopped = await runTiny({ ...run, inFlight: 4 }, { caps: { calls: 12 } });
  assert.deepEqual([stopped.kind, stopped.stop?.reason], ['stopped', 'calls']);
  assert.deepEqual([stopped.prefix, (await server.bill()).calls], [12, 12]);
  // What is answered from the first row on makes a data set without a further call.
  assert.equal((await runTiny({ ...run, limit: 12 })).kind, 'done');
  assert.deepEqual([await rows(), (await server.bill()).calls], [12, 12]);
  // The cap stays the run's until another is given.
  assert.equal((await runTiny(run)).kind, 'stopped');
  assert.equal((await server.bill()).calls, 12);
  assert.equal((await runTiny(run, { caps: { calls: 30 } })).kind, 'done');
  assert.deepEqual([await rows(), (await server.bill()).calls], [30, 30]);
});

test('an interrupted run keeps what comes in, and gives up a call that hangs', async (t) => {
  const { root, server, run, rows } = await scene(t, 20);
  const input = join(root, 'hang.txt');
  await writeFile(input, `once:hang boat\n${await readFile(run.input, 'utf8')}`);
  const stop = new AbortController();
  let done = 0;
  const onProgress = (): void => {
    done += 1;
    if (done === 3) stop.abort();
  };
  // The drain of ten seconds is over at once by this clock.
  const stopped = await runTiny(
    { ...run, input, inFlight: 4 },
    { signal: stop.signal, onProgress, clock: jumpingClock() },
  );
  assert.deepEqual([stopped.kind, stopped.stop?.kind], ['stopped', 'interrupted']);
  assert.ok(stopped.ledger.settledCalls >= 3 && stopped.ledger.settledCalls < 20);
  const result = await runTiny({ ...run, input });
  assert.equal(result.kind, 'done');
  assert.equal(await rows(), 21);
  const bill = await server.bill();
  const { settledCalls, bookedCalls, avoidableDoubleBills } = result.ledger;
  assert.ok(settledCalls + bookedCalls >= bill.calls);
  assert.equal(avoidableDoubleBills, 0);
});

test('a folder of other files, and a run that another process has, are refused', async (t) => {
  const { root, run } = await scene(t, 3);
  const strange = join(root, 'strange');
  await mkdir(strange);
  await writeFile(join(strange, 'notes.txt'), 'mine');
  await assert.rejects(runTiny({ ...run, folder: strange }), /or a run's, found no journal/);
  await mkdir(run.folder);
  await using _ = await openJournal(join(run.folder, 'journal'));
  await assert.rejects(runTiny(run), /expected the lock to become free; held by .*pid \d+/);
});
