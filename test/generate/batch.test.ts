import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../temporary_folder.js';
import { runBatch } from './batch_run.js';
import type { BatchRun } from './batch_run.js';
import { startFakeServer } from './fake_process.js';
import type { BatchSettings } from './fake_batches.js';
import { batchKills, expectFairBill, plainRows, rowsOf } from '../soak/batch_rows.js';
import { writeSentences } from './tiny_run.js';

test('a batch gives the rows of a live run, joined by id whatever their order', async (t) => {
  const root = await temporaryFolder(t);
  const input = await writeSentences(root, 100);
  await using server = await startFakeServer({ reply: 'numbered', batch: { polls: 3 } });
  const notices: string[] = [];
  const run: BatchRun = { folder: join(root, 'run'), input, baseUrl: server.baseUrl };
  const events: string[] = [];
  const done = await runBatch({
    ...run,
    onNotice: (said) => notices.push(said),
    onEvent: (event) => events.push(event),
  });
  // What is durable before what leaves, and before what is asked.
  assert.match(
    events.join(', '),
    /^record, record durable, upload, .*create, create answered, record, record durable, poll, /,
  );
  assert.equal(done.kind, 'done');
  assert.equal(await rowsOf(run.folder), await plainRows(root, input));
  assert.equal((await expectFairBill(server, done.ledger)).length, 100);
  assert.equal(done.ledger.bookedTokens, 0);
  assert.equal((await server.bill()).batches, 1);
  assert.match(notices.join('\n'), /^batch \w+: 100 requests submitted\nbatch \w+: completed, 100/);
  assert.equal((await runBatch(run)).kind, 'finishedBefore');
});

const odd: readonly (readonly [name: string, batch: BatchSettings, rates?: object])[] = [
  ['lines left out are booked and asked again', { lines: { missing: 0.2 } }],
  [
    'lines told twice, of strangers, garbled',
    { lines: { doubled: 0.3, stranger: 0.3, garbled: 0.1 } },
  ],
  ['a batch that expires keeps what is done', { ends: ['expired', 'expired'], done: 0.4 }],
  ['a batch cancelled elsewhere keeps what is done', { ends: ['cancelled'], done: 0.5 }],
  ['an upload that is cut', { calls: { upload: ['cutBefore', 'cutAfter', 'cutBody'] } }],
  ['a batch made without an answer is found again', { calls: { create: ['cutAfter'] } }],
  [
    'an answer of HTML to the making of one',
    { calls: { create: ['html', 'cutBody', 'error500'] } },
  ],
  ['polls that fail', { calls: { poll: ['error500', 'html', 'cutAfter', 'limitSeconds'] } }],
  [
    'a download that is cut in the middle',
    { calls: { content: ['cutBody', 'cutBefore', 'html'] } },
  ],
  ['lists that fail', { calls: { create: ['cutBefore'], list: ['error500', 'cutBody'] } }],
  ['calls that fail at random', { callRate: 0.4 }],
  [
    'lines that fail as calls do',
    {},
    { error500: 0.1, length: 0.1, wrongSchema: 0.1, emptyChoices: 0.1, noUsage: 0.1 },
  ],
];

test('whatever a batch server does, each row is there once and nothing is submitted twice', async (t) => {
  const root = await temporaryFolder(t);
  const input = await writeSentences(root, 60);
  const plain = await plainRows(root, input);
  for (const [i, [name, batch, rates = {}]] of odd.entries()) {
    await t.test(name, async () => {
      const settings = { run: `odd ${i}`, reply: 'numbered', faultyAttempts: 1, rates, batch };
      await using server = await startFakeServer(settings);
      const folder = join(root, `odd ${i}`);
      const done = await runBatch({ folder, input, baseUrl: server.baseUrl });
      assert.equal(done.kind, 'done');
      assert.equal(await rowsOf(folder), plain);
      await expectFairBill(server, done.ledger);
    });
  }
});

test('a file takes so many rows and bytes, and no more', async (t) => {
  const root = await temporaryFolder(t);
  const input = await writeSentences(root, 25);
  for (const [fileLimits, batches] of [
    [{ rows: 10, bytes: 1e9 }, 3],
    [{ rows: 25, bytes: 1e9 }, 1],
    [{ rows: 24, bytes: 1e9 }, 2],
    [{ rows: 1000, bytes: 20_000 }, undefined],
  ] as const) {
    await using server = await startFakeServer({ reply: 'numbered' });
    const folder = join(root, `${fileLimits.rows} ${fileLimits.bytes}`);
    const done = await runBatch({ folder, input, baseUrl: server.baseUrl, fileLimits });
    assert.equal(done.kind, 'done');
    const bill = await server.bill();
    assert.equal(bill.files, bill.batches * 2);
    if (batches === undefined) assert.ok(bill.batches > 1);
    else assert.equal(bill.batches, batches);
  }
});

test('killed at any call or record, a run loses no row and submits none twice', async (t) => {
  const root = await temporaryFolder(t);
  const { failures, notes } = await batchKills({ root, seed: 1, count: 6 });
  assert.deepEqual(failures, []);
  assert.ok(Number(notes['killed']) >= 6, JSON.stringify(notes));
});
