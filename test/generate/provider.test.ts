import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { createProvider } from '#dist/generate/provider.js';
import type { ChatAnswer, ProviderOptions } from '#dist/generate/provider.js';
import { startFakeServer } from './fake_process.js';

const key = 'sk-canary-7f3a91c2d4e8b605';
const nowMs = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT');
const fits = (content: string): boolean => !content.includes('unexpected');

async function ask(
  baseUrl: string,
  content: string,
  options: Partial<ProviderOptions> = {},
): Promise<ChatAnswer> {
  const limits = { callMs: 400, idleMs: 200, ...options.limits };
  await using provider = createProvider({
    baseUrl,
    apiKey: key,
    now: () => nowMs,
    ...options,
    limits,
  });
  const messages = [{ role: 'user' as const, content }];
  // Awaited here: the provider ends with this block.
  return await provider.chat({ model: 'fake-model', messages, maxOutputTokens: 64, fits });
}

const patient = { limits: { callMs: 30_000, idleMs: 30_000 } };

// Fault, class, reason, advice: RELIABILITY 4, row by row.
const table = `
limitSeconds notBilled rateLimited retry
limitMs notBilled rateLimited retry
limitDate notBilled rateLimited retry
limitLong notBilled rateLimited retry
limitPlain notBilled rateLimited retry
quota notBilled insufficient_quota stop
unauthorized notBilled invalid_api_key stop
forbidden notBilled forbidden stop
noModel notBilled model_not_found stop
badRequest notBilled invalid_request_error fail
tooLarge notBilled too_large fail
unprocessable notBilled unprocessable fail
stringError notBilled status400 fail
timeout408 notBilled timeout retry
conflict notBilled conflict retry
error500 notBilled server_error retry
error502 notBilled bad_upstream retry
error503 notBilled overloaded retry
gateway500 unknown gateway retry
gateway502 unknown gateway retry
gateway504 unknown gateway retry
hang unknown timeout retry
stall unknown idle retry
cut unknown cut retry
reset unknown cut retry
endless unknown bodyTooLarge retry
gigabyte unknown bodyTooLarge retry
manyHeaders unknown headersTooLarge retry
bomb unknown bodyTooLarge retry
badGzip unknown encoding retry
bigHeaders unknown headersTooLarge retry
page403 notTheApi errorPage retry
html notTheApi contentType retry
plain notTheApi contentType retry
noContent notTheApi contentType retry
redirect301 notTheApi redirect retry
redirect302 notTheApi redirect retry
redirect307 notTheApi redirect retry
redirect308 notTheApi redirect retry
truncated billedUnusable invalidJson retry
deep billedUnusable invalidJson retry
notUtf8 billedUnusable invalidJson retry
array billedUnusable invalidJson retry
noChoices billedUnusable emptyChoices retry
emptyChoices billedUnusable emptyChoices retry
errorInAnswer billedUnusable errorInAnswer retry
length billedUnusable length retry
filter billedUnusable filter retry
toolCalls billedUnusable finishReason retry
refusal billedUnusable refusal retry
nullContent billedUnusable emptyContent retry
emptyContent billedUnusable emptyContent retry
wrongSchema billedUnusable schema retry
gzip ok ok done
noUsage ok ok done
negativeUsage ok ok done
wrongTotal ok ok done
textUsage ok ok done
hugeUsage ok ok done
duplicateId ok ok done`
  .trim()
  .split('\n');

test('every response fault falls in its class, and no key shows in any outcome', async (t) => {
  await using trap = await startFakeServer();
  await using server = await startFakeServer({}, `${trap.baseUrl}/chat/completions`);
  for (const row of table) {
    const [fault = '', ...expected] = row.split(' ');
    await t.test(`${fault} is ${expected[0]}`, async () => {
      const waits = fault === 'hang' || fault === 'stall';
      const answer = await ask(server.baseUrl, `fault:${fault}`, waits ? {} : patient);
      assert.deepEqual([answer.kind, answer.reason, answer.advice], expected);
      const text = JSON.stringify({ ...answer, headers: [...answer.headers] });
      assert.ok(
        !text.includes(key) && !text.includes(Buffer.from(key).toString('base64').slice(0, 20)),
      );
    });
  }
  await t.test('no redirect reached the trap', async () => {
    assert.deepEqual(await trap.bill(), {
      calls: 0,
      promptTokens: 0,
      completionTokens: 0,
      requests: 0,
      keys: 0,
      files: 0,
      batches: 0,
    });
  });
});

test('a key that the server echoes is blanked in every form, and no escape passes', async () => {
  await using server = await startFakeServer();
  const answer = await ask(server.baseUrl, 'fault:echo', patient);
  const text = JSON.stringify({ ...answer, headers: [...answer.headers] });
  assert.deepEqual([answer.kind, answer.advice], ['notBilled', 'stop']);
  assert.match(text, /wrong {2}\[31mBearer \[key\]/);
  const base64 = Buffer.from(`Bearer ${key}`).toString('base64');
  for (const form of [key, key.slice(4, 16), base64.slice(12, 28), '\\u001b']) {
    assert.ok(!text.includes(form), `${form} in ${text}`);
  }
});

test('a usage that cannot be true is left out, so that the worst case is booked', async () => {
  await using server = await startFakeServer();
  for (const fault of ['noUsage', 'negativeUsage', 'wrongTotal', 'textUsage']) {
    const answer = await ask(server.baseUrl, `fault:${fault}`, patient);
    assert.equal(answer.usage, undefined, fault);
  }
  const cut = await ask(server.baseUrl, 'fault:length', patient);
  assert.ok(cut.usage !== undefined && cut.usage.completionTokens > 0);
});

test('Retry-After is read in seconds, milliseconds and as a date, and is at most 60 s', async () => {
  await using server = await startFakeServer();
  const waits: (number | undefined)[] = [];
  for (const fault of ['limitSeconds', 'limitMs', 'limitDate', 'limitLong', 'limitPlain']) {
    waits.push((await ask(server.baseUrl, `fault:${fault}`, patient)).retryAfterMs);
  }
  assert.deepEqual(waits, [2000, 1500, 30_000, 60_000, undefined]);
});

test('a refused connection and a failed TLS handshake were not sent', async () => {
  const refused = await ask('http://127.0.0.1:1/v1', 'hello', patient);
  assert.deepEqual([refused.kind, refused.reason], ['notSent', 'refused']);
  await using server = await startFakeServer();
  const tls = await ask(server.baseUrl.replace('http:', 'https:'), 'hello', patient);
  assert.deepEqual([tls.kind, tls.reason], ['notSent', 'tls']);
  assert.equal((await server.bill()).keys, 0);
});

test('the bill equals the usage told, and the answer depends on the example alone', async () => {
  const rates = { error500: 0.3, limitMs: 0.3 };
  const contents: string[][] = [];
  for (const run of ['a', 'b']) {
    await using server = await startFakeServer({ run, rates });
    await using provider = createProvider({ baseUrl: server.baseUrl, apiKey: key });
    let tokens = 0;
    const answers: string[] = [];
    for (let example = 0; example < 20; example += 1) {
      for (let attempt = 0; answers.length === example && attempt < 50; attempt += 1) {
        const messages = [{ role: 'user' as const, content: `sentence ${example}` }];
        const made = await provider.chat({ model: 'fake-model', messages, maxOutputTokens: 9 });
        if (made.content !== undefined) answers.push(made.content);
        tokens += (made.usage?.promptTokens ?? 0) + (made.usage?.completionTokens ?? 0);
      }
    }
    const bill = await server.bill();
    assert.equal(bill.promptTokens + bill.completionTokens, tokens);
    assert.ok(bill.calls === 20 && bill.requests > 20);
    contents.push(answers);
  }
  assert.deepEqual(contents[0], contents[1]);
});

test('structured outputs are asked for until the server refuses them', async () => {
  await using server = await startFakeServer({ structured: false });
  await using provider = createProvider({ baseUrl: server.baseUrl });
  const request = {
    model: 'fake-model',
    messages: [{ role: 'user' as const, content: 'hello' }],
    maxOutputTokens: 64,
    schema: { name: 'text', schema: { type: 'object' } },
  };
  const first = await provider.chat(request);
  assert.deepEqual([first.reason, first.advice], ['noStructuredOutputs', 'retry']);
  assert.equal((await provider.chat(request)).kind, 'ok');
  assert.equal((await server.bill()).keys, 0);
  await using able = await startFakeServer();
  await using other = createProvider({ baseUrl: able.baseUrl });
  assert.match((await other.chat(request)).content ?? '', /^\{"text":/);
});

test('an unknown model stops the run, a cancelled call is told as such', async () => {
  await using server = await startFakeServer();
  await using provider = createProvider({ baseUrl: server.baseUrl });
  const messages = [{ role: 'user' as const, content: 'fault:hang' }];
  const unknown = await provider.chat({ model: 'gone', messages, maxOutputTokens: 1 });
  assert.deepEqual([unknown.reason, unknown.advice], ['model_not_found', 'stop']);
  const request = { model: 'fake-model', messages, maxOutputTokens: 1 };
  const early = await provider.chat(request, AbortSignal.abort());
  assert.deepEqual([early.kind, early.reason], ['notSent', 'cancelled']);
  const late = await provider.chat(request, AbortSignal.timeout(100));
  assert.deepEqual([late.kind, late.reason], ['unknown', 'cancelled']);
});

test('a key is never given to a plain-http address beyond this machine', () => {
  for (const host of ['10.0.0.1', 'example.com', '127.0.0.1.example.com', 'localhost.evil.org']) {
    const make = (): unknown => createProvider({ baseUrl: `http://${host}/v1`, apiKey: key });
    assert.throws(make, (error: unknown) => {
      return error instanceof RangeError && !String(error.stack).includes(key);
    });
  }
  assert.throws(() => createProvider({ baseUrl: 'https://user:pw@h/v1' }), RangeError);
  assert.throws(() => createProvider({ baseUrl: 'file:///etc/passwd' }), RangeError);
});

test('the fake server streams, and lists its models, as the openai client expects', async () => {
  await using server = await startFakeServer();
  const client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'x', maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'hello there' }];
  let streamed = '';
  const stream = await client.chat.completions.create({
    model: 'fake-model',
    messages,
    stream: true,
  });
  for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? '';
  const whole = await client.chat.completions.create({ model: 'fake-model', messages });
  assert.equal(streamed, whole.choices[0]?.message.content);
  assert.deepEqual(
    (await client.models.list()).data.map(({ id }) => id),
    ['fake-model'],
  );
});
