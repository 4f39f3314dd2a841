import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../temporary_folder.js';
import { startFakeServer } from './fake_process.js';
import { runTiny, writeSentences } from './tiny_run.js';

test('a run writes every row in input order, and the same command again does nothing', async (t) => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'run');
  const input = await writeSentences(root, 300);
  await using server = await startFakeServer({ reply: 'numbered' });
  const first = await runTiny({ folder, input, baseUrl: server.baseUrl });
  assert.equal(first.kind, 'done');
  const rows = (await readFile(join(folder, 'data.jsonl'), 'utf8')).trim().split('\n');
  const ids = rows.map((row) => (JSON.parse(row) as { id: string }).id);
  assert.deepEqual(
    ids,
    Array.from({ length: 300 }, (_, i) => String(i + 1)),
  );
  const bill = await server.bill();
  assert.equal(first.ledger.settledTokens, bill.promptTokens + bill.completionTokens);
  const second = await runTiny({ folder, input, baseUrl: server.baseUrl });
  assert.equal(second.kind, 'finishedBefore');
  assert.deepEqual(await server.bill(), bill);
});
