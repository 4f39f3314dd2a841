// The calls of the Batch API, made until they succeed or can not: what is asked again, when, and what
// is looked up first so that nothing is submitted twice.
import { SimgptError } from '../errors.js';
import type { BatchApi, BatchState, Reply } from './batch_api.js';
import type { Outcome } from './classify.js';
import type { Clock } from './limiter.js';

/** What became of an upload. */
export type Submitted =
  | { readonly kind: 'created'; readonly batch: string }
  /** There is no batch, and nothing is owed. */
  | { readonly kind: 'refused'; readonly outcome: Outcome };

export interface Courier {
  /** Uploads and creates. Throws SimgptError `cancelled`, `providerFailed`: there may be a batch. */
  submit(lines: readonly Buffer[], hash: string): Promise<Submitted>;
  /** The batch of an upload that an earlier run may have submitted. */
  find(hash: string): Promise<BatchState | undefined>;
  /** Resolves when the batch has ended. */
  awaitEnd(batch: string): Promise<BatchState>;
  download(file: string, onLine: (line: Buffer) => void): Promise<void>;
  /** Waits for a poll's time. */
  pause(): Promise<void>;
}

export interface CourierOptions {
  readonly api: BatchApi;
  readonly clock: Clock;
  readonly pollMs: number;
  /** The run is to end: no call is made any more. */
  readonly stop: AbortSignal;
}

/** Failures in a row of one call; with the waits between them about half an hour. */
const mostFailures = 40;
const longestWaitMs = 60_000;

export function createCourier({ api, clock, pollMs, stop }: CourierOptions): Courier {
  const sleep = async (ms: number): Promise<void> => {
    if (!stop.aborted) await clock.sleep(ms, stop).catch(() => undefined);
    if (stop.aborted) throw cancelled();
  };
  /** Asks until there is a value, or no further try can bring one. */
  const insist = async <Value>(ask: () => Promise<Reply<Value>>): Promise<Reply<Value>> => {
    for (let failures = 1; ; failures += 1) {
      if (stop.aborted) throw cancelled();
      const reply = await ask();
      if (reply.kind === 'value' || reply.outcome.advice !== 'retry') return reply;
      if (failures >= mostFailures) return reply;
      await sleep(reply.outcome.retryAfterMs ?? backOffMs(failures));
    }
  };
  const valueOf = async <Value>(what: string, ask: () => Promise<Reply<Value>>): Promise<Value> => {
    const reply = await insist(ask);
    if (reply.kind === 'value') return reply.value;
    throw providerFailed(what, reply.outcome);
  };
  const find = (hash: string): Promise<BatchState | undefined> =>
    valueOf('the list of batches', () => api.find(hash, stop));

  return {
    find,
    awaitEnd: async (batch) => {
      for (;;) {
        const state = await valueOf(`batch ${batch}`, () => api.poll(batch, stop));
        if (state.status !== 'running') return state;
        await sleep(pollMs);
      }
    },
    download: (file, onLine) =>
      valueOf(`file ${file}`, () => api.download(file, onLine, stop)).then(() => undefined),
    pause: () => sleep(pollMs),
    submit: async (lines, hash) => {
      const file = await insist(() => api.upload(lines, hash, stop));
      // What an unfinished upload leaves behind is not run and costs nothing.
      if (file.kind === 'none') return { kind: 'refused', outcome: file.outcome };
      for (let failures = 1; ; failures += 1) {
        if (stop.aborted) throw cancelled();
        const reply = await api.create(file.value, hash);
        if (reply.kind === 'value') return { kind: 'created', batch: reply.value.id };
        const { kind, advice, retryAfterMs } = reply.outcome;
        const isUnclear = kind === 'unknown' || kind === 'notTheApi';
        const isOver = advice !== 'retry' || failures >= mostFailures;
        if (isOver && !isUnclear) return { kind: 'refused', outcome: reply.outcome };
        await sleep(retryAfterMs ?? backOffMs(failures));
        if (!isUnclear) continue;
        // It may have been made although no answer came.
        const found = await find(hash);
        if (found !== undefined) return { kind: 'created', batch: found.id };
        if (isOver) throw providerFailed('a new batch', reply.outcome);
      }
    },
  };
}

function backOffMs(failures: number): number {
  return Math.min(1000 * 2 ** (failures - 1), longestWaitMs);
}

export function cancelled(): SimgptError {
  return new SimgptError(
    'cancelled',
    'stopped; answers of batches that run at the provider are collected by the same command',
  );
}

function providerFailed(what: string, { reason, status, detail }: Outcome): SimgptError {
  const code = status === undefined ? '' : `${status} `;
  const words = detail === undefined || detail === '' ? '' : ` (it says: ${detail})`;
  return new SimgptError(
    'providerFailed',
    `expected ${what} from the provider, received ${code}${reason}${words}; ` +
      'nothing is lost: run the same command again',
  );
}
