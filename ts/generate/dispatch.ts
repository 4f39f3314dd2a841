import type { JournalRecord } from '../files/journal.js';
import { isFailure } from './breaker.js';
import type { Breaker } from './breaker.js';
import type { ClaimKey } from './ledger_state.js';
import type { Clock, Limiter } from './limiter.js';
import type { ChatAnswer, ChatRequest, Provider } from './provider.js';

/** One claimed attempt at a call. */
export interface Attempt extends ClaimKey {
  readonly request: ChatRequest;
  /** The claim: the most it can cost. */
  readonly tokens: number;
}

/**
 * How claimed attempts reach the provider and answers come back: one HTTP call each (live), or many
 * in one file (Batch API). Claims, the store, retries and settlements are the engine's, and the same
 * for all of them.
 */
export interface Dispatcher extends AsyncDisposable {
  /** How many attempts may wait for their answers at once. */
  readonly inFlight: number;
  /** How many until the server has shown that it is the API; all of them unless given. */
  readonly firstInFlight?: number;
  /**
   * Whether an attempt that an earlier run left open is still on its way, so that it is neither
   * booked as unknown nor claimed again: the engine calls `send` with it when its turn comes.
   */
  holds(key: ClaimKey): boolean;
  /**
   * Makes one claimed attempt. It does not throw for what a provider does; once `signal` fires, what
   * was not sent ends as `notSent`. Throws SimgptError where going on makes no sense.
   */
  send(attempt: Attempt, signals: SendSignals): Promise<SentAnswer>;
  /** Every attempt there is has been handed over: no other comes before one of them is answered. */
  settled(): void;
}

export interface SentAnswer extends ChatAnswer {
  /** The time of the call itself, which its deadline counts; waiting for one's turn is not in it. */
  readonly tookMs?: number;
  /** Where a batch answered, which may be cheaper. */
  readonly mode?: 'batch';
}

export interface SendSignals {
  /** The run is to end: nothing more is sent. */
  readonly stop: AbortSignal;
  /** The drain is over: calls in flight are given up. */
  readonly abandon: AbortSignal;
}

/** What a dispatcher may keep in the run's journal. */
export interface DispatcherJournal {
  /** Its records of earlier runs, in order: every one whose kind is `batch`. */
  readonly records: readonly JournalRecord[];
  /** Resolves when the record is durable; its kind must be `batch`. */
  readonly append: (record: JournalRecord) => Promise<unknown>;
}

/** The name of an attempt at the provider: `custom_id` of a batch, request id of a live call. */
export function attemptName({ id, attempt }: ClaimKey): string {
  return `${id}.${attempt}`;
}

/** The attempt that a name means; undefined where it is none of ours. */
export function attemptOfName(name: string): ClaimKey | undefined {
  const match = /^(.{1,1024})\.([1-9]\d{0,5})$/s.exec(name);
  return match === null ? undefined : { id: match[1]!, attempt: Number(match[2]) };
}

export interface LiveOptions {
  readonly provider: Provider;
  readonly limiter: Limiter;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly inFlight: number;
}

/** How often a closed door is tried again while the breaker is open. */
const breakerPollMs = 1000;

/** A server that has answered before may fail for so long before the run ends. */
const downForMs = 300_000;

/** One HTTP call per attempt: limiter, breaker, provider. */
export function createLiveDispatcher(options: LiveOptions): Dispatcher {
  const { provider, limiter, breaker, clock, inFlight } = options;
  const judge = createJudge(breaker, clock);
  return {
    inFlight,
    // One call goes ahead: a wrong key, model or address costs no more than that one.
    firstInFlight: 1,
    holds: () => false,
    async send({ id, attempt, request, tokens }, { stop, abandon }) {
      try {
        while (!breaker.allows()) await clock.sleep(breakerPollMs, stop);
        await limiter.acquire(tokens, stop);
        stop.throwIfAborted();
      } catch (error) {
        if (stop.aborted) return notSent;
        throw error;
      }
      const startMs = clock.now();
      const name = attemptName({ id, attempt });
      const answer = await provider.chat({ ...request, name }, abandon);
      limiter.obey(answer.status ?? 0, answer.headers);
      breaker.record(answer);
      return { ...judge(answer), tookMs: clock.now() - startMs };
    },
    settled: () => {},
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  };
}

/** Turns an answer into the end of the run where the server is the wrong one, or down for good. */
function createJudge(breaker: Breaker, clock: Clock): (answer: ChatAnswer) => ChatAnswer {
  let hasAnswered = false;
  let failingSinceMs: number | undefined;
  return (answer) => {
    const stopped = (reason: string): ChatAnswer => {
      return { ...answer, advice: 'stop', reason, detail: answer.detail ?? answer.reason };
    };
    if (answer.reason === 'cancelled' || answer.advice === 'stop') return answer;
    if (breaker.wrongServer) return stopped('wrongServer');
    if (!isFailure(answer)) {
      hasAnswered = true;
      failingSinceMs = undefined;
      return answer;
    }
    failingSinceMs ??= clock.now();
    const isDown = hasAnswered ? clock.now() - failingSinceMs > downForMs : breaker.isOpen;
    return isDown ? stopped('unreachable') : answer;
  };
}

const notSent: ChatAnswer = {
  kind: 'notSent',
  reason: 'cancelled',
  advice: 'stop',
  status: undefined,
  usage: undefined,
  retryAfterMs: undefined,
  content: undefined,
  detail: undefined,
  headers: new Map(),
};
