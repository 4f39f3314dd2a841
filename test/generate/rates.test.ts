// How a run keeps to a server's rates under faults (RELIABILITY 7, G5 and G1's mix of faults).
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLimiter } from '#dist/generate/limiter.js';
import { temporaryFolder } from '../temporary_folder.js';
import { chance } from './fake_faults.js';
import { startFakeServer } from './fake_process.js';
import { jumpingClock, runTiny, writeSentences } from './tiny_run.js';

const windowMs = 60_000;

interface Request {
  readonly atMs: number;
  readonly tokens: number;
}

/** Forms of one wait, each as a server words it. */
function retryAfter(form: number, waitMs: number, nowMs: number): ReadonlyMap<string, string> {
  if (form === 0) return new Map([['retry-after', String(Math.ceil(waitMs / 1000))]]);
  if (form === 1) return new Map([['retry-after-ms', String(waitMs)]]);
  const date = new Date(Math.ceil((nowMs + waitMs) / 1000) * 1000).toUTCString();
  return new Map([['retry-after', date]]);
}

/** The most of any 60 s: of requests, and of tokens. */
function busiest(requests: readonly Request[]): readonly [requests: number, tokens: number] {
  let [first, tokens, mostRequests, mostTokens] = [0, 0, 0, 0];
  for (const [last, request] of requests.entries()) {
    tokens += request.tokens;
    while (requests[first]!.atMs <= request.atMs - windowMs) tokens -= requests[first++]!.tokens;
    mostRequests = Math.max(mostRequests, last - first + 1);
    mostTokens = Math.max(mostTokens, tokens);
  }
  return [mostRequests, mostTokens];
}

test('500 runs keep every 60 s within the rates, and wait as long as they are told', async () => {
  for (let run = 0; run < 500; run += 1) {
    const draw = (...words: readonly (string | number)[]): number => chance('rates', run, ...words);
    const clock = jumpingClock();
    clock.advance(Math.floor(draw('start') * 1e12));
    const requestsPerMinute = 1 + Math.floor(draw('requests') * 60);
    const tokensPerMinute = 500 + Math.floor(draw('tokens') * 20_000);
    const limiter = createLimiter({ requestsPerMinute, tokensPerMinute }, clock);
    const sent: Request[] = [];
    let notBeforeMs = 0;
    for (let call = 0; call < 80; call += 1) {
      const tokens = 1 + Math.floor(draw('size', call) * 400);
      await limiter.acquire(tokens);
      assert.ok(clock.now() >= notBeforeMs, `run ${run}: call ${call} came too early`);
      sent.push({ atMs: clock.now(), tokens });
      clock.advance(Math.floor(draw('takes', call) * 900));
      if (draw('429', call) >= 0.05) continue;
      const waitMs = Math.floor(draw('wait', call) * 90_000);
      const headers = retryAfter(Math.floor(draw('form', call) * 3), waitMs, clock.now());
      notBeforeMs = Math.max(notBeforeMs, clock.now() + Math.min(waitMs, windowMs));
      limiter.obey(429, headers);
    }
    const [requests, tokens] = busiest(sent);
    assert.ok(requests <= requestsPerMinute * 1.01, `${requests} of ${requestsPerMinute}`);
    assert.ok(tokens <= tokensPerMinute * 1.01, `${tokens} of ${tokensPerMinute}`);
  }
});

test('under 5 % of 429, 2 % of 500, 1 % cut short and 0.5 % hanging, an example takes 1.10 requests', async (t) => {
  const root = await temporaryFolder(t);
  const count = 2000;
  const input = await writeSentences(root, count);
  const rates = { limitMs: 0.05, error500: 0.02, truncated: 0.01, hang: 0.005 };
  await using server = await startFakeServer({ run: '1', reply: 'numbered', rates });
  const limits = { callMs: 2000, idleMs: 2000 };
  const folder = join(root, 'run');
  const run = { folder, input, baseUrl: server.baseUrl, bare: true, inFlight: 64, limits };
  const { kind, ledger } = await runTiny(run, { clock: jumpingClock() });
  assert.equal(kind, 'done');
  const { requests, promptTokens, completionTokens } = await server.bill();
  assert.ok(requests <= 1.1 * count, `${requests} requests of ${count} examples`);
  assert.equal(ledger.avoidableDoubleBills, 0);
  const { settledTokens, bookedTokens } = ledger;
  assert.ok(settledTokens + bookedTokens >= promptTokens + completionTokens);
});
