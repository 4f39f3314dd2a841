import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as sendRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import OpenAI from 'openai';
import { createBatchApi, hashLines } from '#dist/generate/batch_api.js';
import type { Pending } from '#dist/generate/batch_collect.js';
import { customId, requestLine } from '#dist/generate/batch_lines.js';
import { batchLimits, createBatchQueue } from '#dist/generate/batch_queue.js';
import type { FullFile } from '#dist/generate/batch_queue.js';
import { startFakeServer } from './fake_process.js';

function pendingOf(name: string, model = 'fake-model'): Pending {
  const messages = [{ role: 'user' as const, content: 'hello' }];
  const request = { model, messages, maxOutputTokens: 8 };
  return { name, request, asked: false, resolve: () => {}, reject: () => {} };
}

/** Rows and bytes of the files that a queue sends. */
function filesOf(add: (push: (name: string, line: Buffer, model?: string) => void) => void) {
  const files: FullFile[] = [];
  const queue = createBatchQueue(batchLimits, (file) => files.push(file));
  add((name, line, model) => queue.add(pendingOf(name, model), line));
  queue.flush();
  return files.map(({ lines }) => [
    lines.length,
    lines.reduce((sum, { length }) => sum + length, 0),
  ]);
}

test('50,001 requests are two files, and 201 MB are two', () => {
  const small = Buffer.alloc(10);
  const rows = filesOf((push) => {
    for (let i = 0; i <= 50_000; i += 1) push(`${i}`, small);
  });
  assert.deepEqual(rows, [
    [50_000, 500_000],
    [1, 10],
  ]);
  const megabyte = Buffer.alloc(1_000_000);
  const bytes = filesOf((push) => {
    for (let i = 0; i < 201; i += 1) push(`${i}`, megabyte);
  });
  assert.deepEqual(bytes, [
    [200, 200_000_000],
    [1, 1_000_000],
  ]);
  const long = 'n'.repeat(1000);
  const names = filesOf((push) => {
    for (let i = 0; i < 9000; i += 1) push(`${long}${i}`, small);
  });
  assert.equal(names.length, 2, 'the names of a file fit one journal record');
  const models = filesOf((push) => {
    for (let i = 0; i < 10; i += 1) push(`${i}`, small, i % 2 === 0 ? 'a' : 'b');
  });
  assert.deepEqual(models, [
    [5, 50],
    [5, 50],
  ]);
});

test('a name of any length and alphabet has a custom_id of its own', () => {
  const names = ['plain.1', 'with space.1', 'ä.1', 'n'.repeat(300), 'n'.repeat(301), '\n.1'];
  const ids = names.map(customId);
  assert.equal(ids[0], 'plain.1');
  assert.equal(new Set(ids).size, names.length);
  for (const id of ids) assert.match(id, /^[\x21-\x7e]{1,256}$/);
});

test('a server takes neither 50,001 rows nor 201 MB, and says so', async () => {
  await using server = await startFakeServer({ batch: { polls: 0 } });
  await using api = createBatchApi({ baseUrl: server.baseUrl });
  const lines = Array.from({ length: 50_001 }, (_, i) =>
    requestLine(`${i}.1`, pendingOf('').request, 'max_tokens', false),
  );
  const hash = hashLines(lines);
  const file = await api.upload(lines, hash);
  assert.ok(file.kind === 'value');
  const batch = await api.create(file.value, hash);
  assert.ok(batch.kind === 'value');
  const state = await api.poll(batch.value.id);
  assert.ok(state.kind === 'value');
  assert.deepEqual([state.value.status, state.value.problem?.code], ['failed', 'too_many_tasks']);
  assert.equal((await server.bill()).calls, 0);
  const headers = { 'content-length': '201000000', 'content-type': 'multipart/form-data' };
  const request = sendRequest(`${server.baseUrl}/files`, { method: 'POST', headers });
  request.on('error', () => {}).flushHeaders();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 413);
  request.destroy();
});

test('the fake server speaks the batches that the openai client reads', async () => {
  await using server = await startFakeServer({ batch: { polls: 1 } });
  const client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'x', maxRetries: 0 });
  const lines = ['a.1', 'b.1', 'c.1'].map((name) =>
    requestLine(name, pendingOf('').request, 'max_tokens', false).toString(),
  );
  const file = await client.files.create({
    file: new File([lines.join('')], 'lines.jsonl'),
    purpose: 'batch',
  });
  const made = await client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  assert.equal((await client.batches.retrieve(made.id)).status, 'in_progress');
  const done = await client.batches.retrieve(made.id);
  assert.deepEqual([done.status, done.request_counts?.completed], ['completed', 3]);
  const output = await (await client.files.content(done.output_file_id ?? '')).text();
  const ids = output
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
  assert.deepEqual(ids.toSorted(), ['a.1', 'b.1', 'c.1']);
  const listed = await client.batches.list({ limit: 1 });
  assert.deepEqual(
    listed.data.map(({ id }) => id),
    [made.id],
  );
});
