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

test('an endless body and a bomb are cut at 8 MB, with bounded memory at the peak', async () => {
  await using server = await startFakeServer();
  await using provider = createProvider({ baseUrl: server.baseUrl });
  await provider.chat(request('hello'));
  const before = process.resourceUsage().maxRSS;
  for (const fault of ['endless', 'bomb', 'endless', 'bomb']) {
    const answer = await provider.chat(request(`fault:${fault}`));
    assert.deepEqual([answer.kind, answer.reason], ['unknown', 'bodyTooLarge']);
  }
  const grownKilobytes = process.resourceUsage().maxRSS - before;
  // The heap's own growth is part of it: some 66 MB, and no more after fifty bodies than after four.
  assert.ok(grownKilobytes < 96 * 1024, `grew by ${grownKilobytes} KB`);
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
