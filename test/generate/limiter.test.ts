import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBreaker } from '#dist/generate/breaker.js';
import { classify, retryAfterMs } from '#dist/generate/classify.js';
import { createLimiter } from '#dist/generate/limiter.js';

/** A clock that jumps to the end of every sleep. */
function fakeClock(startMs = 0) {
  let now = startMs;
  return {
    now: () => now,
    advance: (ms: number) => void (now += ms),
    sleep: (ms: number) => {
      now += ms;
      return Promise.resolve();
    },
  };
}

const headers = (fields: Record<string, string>) => new Map(Object.entries(fields));

test('in no 60 s are more requests or tokens granted than the rates allow', async () => {
  const steps = fc.array(fc.tuple(fc.nat(200), fc.nat(9_000)), { minLength: 1, maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 12 }), async (calls, requestsPerMinute) => {
      const clock = fakeClock();
      const limiter = createLimiter({ requestsPerMinute, tokensPerMinute: 500 }, clock);
      const granted: { at: number; tokens: number }[] = [];
      for (const [tokens, pause] of calls) {
        clock.advance(pause);
        await limiter.acquire(tokens);
        granted.push({ at: clock.now(), tokens });
      }
      for (const { at } of granted) {
        const inside = granted.filter((one) => one.at >= at && one.at < at + 60_000);
        assert.ok(inside.length <= requestsPerMinute);
        assert.ok(inside.reduce((sum, { tokens }) => sum + tokens, 0) <= 500);
      }
    }),
    { seed: 5, numRuns: 300 },
  );
});

test('a request larger than the minute is granted alone, and requests keep their order', async () => {
  const clock = fakeClock();
  const limiter = createLimiter({ requestsPerMinute: 10, tokensPerMinute: 100 }, clock);
  const order: string[] = [];
  const ask = async (name: string, tokens: number): Promise<void> => {
    await limiter.acquire(tokens);
    order.push(`${name} at ${clock.now()}`);
  };
  await Promise.all([ask('small', 60), ask('huge', 1000), ask('tiny', 1)]);
  assert.deepEqual(order, ['small at 0', 'huge at 60000', 'tiny at 120000']);
});

test('Retry-After holds every request back, for 60 s at most', async () => {
  for (const [field, value, expected] of [
    ['retry-after', '7', 7000],
    ['retry-after-ms', '250', 250],
    ['retry-after', 'Thu, 01 Jan 1970 00:16:50 GMT', 10_000],
    ['retry-after', '86400', 60_000],
  ] as const) {
    const clock = fakeClock(1_000_000);
    const limiter = createLimiter({ requestsPerMinute: 10, tokensPerMinute: 100 }, clock);
    limiter.obey(429, headers({ [field]: value }));
    await limiter.acquire(1);
    assert.equal(clock.now() - 1_000_000, expected, `${field}: ${value}`);
  }
});

test('what is no Retry-After is not one, and none passes 60 s or falls below 0', () => {
  const bad = ['', '-5', 'soon', 'NaN', 'Infinity', '1e9', '0x10', 'Mon, nonsense GMT'];
  for (const value of bad) {
    assert.equal(retryAfterMs(headers({ 'retry-after': value }), 0), undefined, value);
  }
  const past = headers({ 'retry-after': 'Thu, 01 Jan 1970 00:00:01 GMT' });
  assert.equal(retryAfterMs(past, 5_000), 0);
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (seconds) => {
      const wait = retryAfterMs(headers({ 'retry-after': seconds.toFixed(3) }), 0);
      assert.ok(wait !== undefined && wait >= 0 && wait <= 60_000);
    }),
    { seed: 5, numRuns: 500 },
  );
});

test('the rate headers are obeyed in every form of their durations', async () => {
  for (const [reset, expected] of [
    ['20ms', 20],
    ['1s', 1000],
    ['1.5s', 1500],
    ['0m2s', 2000],
    ['1s20ms', 1020],
    ['3', 3000],
    ['6m0s', 60_000],
    ['1h0m0s', 60_000],
    ['later', 0],
  ] as const) {
    const clock = fakeClock();
    const limiter = createLimiter({ requestsPerMinute: 10, tokensPerMinute: 100 }, clock);
    limiter.obey(
      200,
      headers({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': reset }),
    );
    await limiter.acquire(1);
    assert.equal(clock.now(), expected, reset);
  }
});

test('tokens that the server says are left are counted down until they fill up', async () => {
  const clock = fakeClock();
  const limiter = createLimiter({ requestsPerMinute: 10, tokensPerMinute: 1000 }, clock);
  limiter.obey(
    200,
    headers({ 'x-ratelimit-remaining-tokens': '50', 'x-ratelimit-reset-tokens': '4s' }),
  );
  await limiter.acquire(30);
  assert.equal(clock.now(), 0);
  await limiter.acquire(30);
  assert.equal(clock.now(), 4000);
  await limiter.acquire(30);
  assert.equal(clock.now(), 4000);
});

test('a cancelled wait is taken from the queue and grants nothing', async () => {
  const clock = fakeClock();
  const limiter = createLimiter({ requestsPerMinute: 1, tokensPerMinute: 10 }, clock);
  await limiter.acquire(1);
  await assert.rejects(limiter.acquire(1, AbortSignal.abort()), { name: 'AbortError' });
  assert.equal(clock.now(), 0);
  await limiter.acquire(1);
  assert.equal(clock.now(), 60_000);
  const none = { requestsPerMinute: 0, tokensPerMinute: 1 };
  assert.throws(() => createLimiter(none, clock), /expected requestsPerMinute >= 1, received 0/);
});

const cut = classify({ kind: 'failed', sent: true, reason: 'cut' }, 0);
const page = { kind: 'answered' as const, status: 200, body: new Uint8Array() };
const stranger = classify({ ...page, headers: headers({ 'content-type': 'text/html' }) }, 0);
const limited = classify({ ...page, status: 429, headers: headers({}) }, 0);

test('the breaker opens after failures in a row, lets one probe through, and closes', () => {
  const clock = fakeClock();
  const breaker = createBreaker(clock, { failures: 3, coolDownMs: 1000 });
  breaker.record(cut);
  breaker.record(cut);
  breaker.record(limited);
  breaker.record(cut);
  breaker.record(cut);
  assert.ok(breaker.allows());
  breaker.record(cut);
  assert.ok(!breaker.allows());
  clock.advance(1000);
  assert.deepEqual([breaker.allows(), breaker.allows()], [true, false]);
  breaker.record(cut);
  clock.advance(999);
  assert.ok(!breaker.allows());
  clock.advance(1);
  assert.ok(breaker.allows());
  breaker.record(limited);
  assert.deepEqual([breaker.allows(), breaker.allows()], [true, true]);
});

test('three answers in a row that are not the API say so', () => {
  const breaker = createBreaker(fakeClock());
  for (const outcome of [stranger, stranger, limited, stranger, stranger]) breaker.record(outcome);
  assert.ok(!breaker.wrongServer);
  breaker.record(stranger);
  assert.ok(breaker.wrongServer);
});
