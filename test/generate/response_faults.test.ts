// Every fault that answers at once, 250 times each (RELIABILITY 7, G4): its class, and that what is
// told to be free is not on the server's bill.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProvider } from '#dist/generate/provider.js';
import { startFakeServer } from './fake_process.js';

const times = 250;
const inFlight = 16;

const classes: Readonly<Record<string, string>> = {
  notBilled:
    'limitSeconds limitMs limitDate limitLong limitPlain quota unauthorized forbidden noModel ' +
    'badRequest tooLarge unprocessable stringError timeout408 conflict error500 error502 error503',
  unknown: 'gateway500 gateway502 gateway504 cut reset badGzip',
  notTheApi: 'page403 html plain noContent redirect301 redirect307',
  billedUnusable:
    'truncated notUtf8 array noChoices emptyChoices errorInAnswer length filter toolCalls refusal ' +
    'nullContent emptyContent wrongSchema',
  ok: 'gzip noUsage negativeUsage wrongTotal textUsage hugeUsage duplicateId',
};

for (const [kind, names] of Object.entries(classes)) {
  const faults = names.split(' ');
  test(`${faults.length} faults are ${kind}, each of ${times} times`, async () => {
    await using server = await startFakeServer();
    await using provider = createProvider({ baseUrl: server.baseUrl });
    const fits = (content: string): boolean => !content.includes('unexpected');
    for (const fault of faults) {
      const messages = [{ role: 'user' as const, content: `fault:${fault}` }];
      const request = { model: 'fake-model', messages, maxOutputTokens: 64, fits };
      let left = times;
      const worker = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          const answer = await provider.chat(request);
          assert.equal(answer.kind, kind, `${fault}: ${answer.reason}`);
        }
      };
      await Promise.all(Array.from({ length: inFlight }, worker));
    }
    const { calls, requests } = await server.bill();
    assert.equal(requests, faults.length * times, 'each call is one request');
    if (kind === 'notBilled') assert.equal(calls, 0);
    if (kind === 'ok' || kind === 'billedUnusable') assert.equal(calls, requests);
  });
}

test('usage beyond the limit sent is told as it is, for the ledger to stop at', async () => {
  await using server = await startFakeServer();
  await using provider = createProvider({ baseUrl: server.baseUrl });
  const messages = [{ role: 'user' as const, content: 'fault:hugeUsage' }];
  const { usage } = await provider.chat({ model: 'fake-model', messages, maxOutputTokens: 8 });
  assert.equal(usage?.completionTokens, 1_000_000);
});
