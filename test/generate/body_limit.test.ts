// In a file, and so a process, of its own: the peak of memory is the process's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProvider } from '#dist/generate/provider.js';
import { startFakeServer } from './fake_process.js';

const request = (content: string) => ({
  model: 'fake-model',
  messages: [{ role: 'user' as const, content }],
  maxOutputTokens: 8,
});

// Fault, and the reason it ends with: each is booked as unknown.
const floods = [
  ['endless', 'bodyTooLarge'],
  ['bomb', 'bodyTooLarge'],
  ['gigabyte', 'bodyTooLarge'],
  ['manyHeaders', 'headersTooLarge'],
  ['bigHeaders', 'headersTooLarge'],
  ['drip', 'timeout'],
] as const;

test('50 bodies and headers without end are cut at the limit, in 64 MB more at the peak', async () => {
  await using server = await startFakeServer();
  await using provider = createProvider({ baseUrl: server.baseUrl });
  await using brisk = createProvider({ baseUrl: server.baseUrl, limits: { callMs: 200 } });
  // A client at work: its young generation has its size, its code is compiled.
  for (let i = 0; i < 25; i += 1) {
    await Promise.all(Array.from({ length: 16 }, () => provider.chat(request('hello'))));
  }
  const before = process.resourceUsage().maxRSS;
  for (let i = 0; i < 50; i += 1) {
    const [fault, reason] = floods[i % floods.length]!;
    const asked = request(`fault:${fault}`);
    const answer = await (fault === 'drip' ? brisk : provider).chat(asked);
    assert.deepEqual([answer.kind, answer.reason, answer.advice], ['unknown', reason, 'retry']);
  }
  const grownKilobytes = process.resourceUsage().maxRSS - before;
  assert.ok(grownKilobytes <= 64 * 1024, `grew by ${grownKilobytes} KB`);
});

test('a body of the limit is read, one byte more is not', async () => {
  await using server = await startFakeServer();
  const raw = await fetch(`${server.baseUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(request('hello')),
  });
  const bodyBytes = (await raw.arrayBuffer()).byteLength;
  for (const [less, kind] of [
    [-1, 'ok'],
    [0, 'ok'],
    [1, 'unknown'],
  ] as const) {
    const limits = { bodyBytes: bodyBytes - less };
    await using provider = createProvider({ baseUrl: server.baseUrl, limits });
    assert.equal((await provider.chat(request('hello'))).kind, kind, `${less} bytes less`);
  }
});
