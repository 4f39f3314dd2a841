import { retryAfterMs } from './classify.js';

/** Time as the limiter and the breaker see it; tests bring their own. */
export interface Clock {
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Rates {
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
}

/** One gate for every worker of a run. */
export interface Limiter {
  /** Waits, in the order of the calls, until a request of at most `tokens` may be sent. */
  acquire(tokens: number, signal?: AbortSignal): Promise<void>;
  /** Obeys `Retry-After` (at most 60 s) and the rate headers of an answer. */
  obey(status: number, headers: ReadonlyMap<string, string>): void;
}

const windowMs = 60_000;

interface Grant {
  readonly atMs: number;
  readonly tokens: number;
}

/** What the server said is left, until it fills up again. */
interface Remaining {
  left: number;
  untilMs: number;
}

/**
 * In any 60 s at most the given requests and tokens are granted; what the server says is left
 * narrows that. A request larger than the whole minute's tokens waits for an empty window.
 */
export function createLimiter(rates: Rates, clock: Clock): Limiter {
  for (const [name, value] of Object.entries(rates)) {
    if (!(value >= 1)) throw new RangeError(`expected ${name} >= 1, received ${String(value)}`);
  }
  const grants: Grant[] = [];
  let granted = 0;
  const isLimited = Object.values(rates).some((rate) => Number.isFinite(rate));
  const remaining = new Map<'requests' | 'tokens', Remaining>();
  let pausedUntilMs = 0;
  let turn: Promise<unknown> = Promise.resolve();

  /** Milliseconds until the request may go; 0 is now. */
  const waitMs = (tokens: number): number => {
    const now = clock.now();
    while (grants[0] !== undefined && grants[0].atMs + windowMs <= now) {
      granted -= grants.shift()!.tokens;
    }
    const until = [pausedUntilMs, windowFreeAt(grants, granted, rates, tokens)];
    for (const [what, { left, untilMs }] of remaining) {
      if (left < (what === 'requests' ? 1 : tokens)) until.push(untilMs);
    }
    return Math.max(0, Math.max(...until) - now);
  };

  const take = async (tokens: number, signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted();
    for (let wait = waitMs(tokens); wait > 0; wait = waitMs(tokens)) {
      await clock.sleep(wait, signal);
      signal?.throwIfAborted();
    }
    // Without a rate there is no window to keep.
    if (isLimited) {
      grants.push({ atMs: clock.now(), tokens });
      granted += tokens;
    }
    for (const [what, state] of remaining) state.left -= what === 'requests' ? 1 : tokens;
  };

  return {
    acquire(tokens, signal) {
      const mine = turn.then(() => take(tokens, signal));
      turn = mine.catch(() => undefined);
      return mine;
    },
    obey(status, headers) {
      const now = clock.now();
      const asked = retryAfterMs(headers, now);
      if (asked !== undefined && status >= 400)
        pausedUntilMs = Math.max(pausedUntilMs, now + asked);
      for (const what of ['requests', 'tokens'] as const) {
        const left = Number(headers.get(`x-ratelimit-remaining-${what}`) ?? 'NaN');
        const reset = durationMs(headers.get(`x-ratelimit-reset-${what}`));
        if (Number.isFinite(left) && left >= 0 && reset !== undefined) {
          remaining.set(what, { left, untilMs: now + Math.min(reset, windowMs) });
        }
      }
    },
  };
}

/** When enough of the oldest grants have left the window for this one to fit. */
function windowFreeAt(
  grants: readonly Grant[],
  granted: number,
  rates: Rates,
  tokens: number,
): number {
  let count = grants.length;
  let sum = granted;
  let freeAt = 0;
  for (const grant of grants) {
    if (count + 1 <= rates.requestsPerMinute && sum + tokens <= rates.tokensPerMinute) break;
    count -= 1;
    sum -= grant.tokens;
    freeAt = grant.atMs + windowMs;
  }
  return freeAt;
}

/** OpenAI's durations: `20ms`, `1s`, `6m0s`, `1h2m3.5s`; a bare number is seconds. */
function durationMs(text: string | undefined): number | undefined {
  const match = /^(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)(?:s|$))?(?:(\d+)ms)?$/.exec(
    text ?? '',
  );
  if (match === null || text === undefined || text === '') return undefined;
  const [hours, minutes, seconds, ms] = match.slice(1).map((part) => Number(part ?? 0));
  return (((hours ?? 0) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1000 + (ms ?? 0);
}
