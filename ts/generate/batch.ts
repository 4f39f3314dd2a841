import { setMaxListeners } from 'node:events';
import type { BatchApi } from './batch_api.js';
import { bareAnswer } from './batch_collect.js';
import type { Pending } from './batch_collect.js';
import { cancelled } from './batch_courier.js';
import { requestLine } from './batch_lines.js';
import { batchLimits, createBatchQueue } from './batch_queue.js';
import type { BatchLimits } from './batch_queue.js';
import { createUploads } from './batch_uploads.js';
import { attemptName } from './dispatch.js';
import type { Dispatcher, DispatcherJournal, SentAnswer } from './dispatch.js';
import type { Clock } from './limiter.js';

export interface BatchOptions {
  readonly api: BatchApi;
  readonly journal: DispatcherJournal;
  readonly clock: Clock;
  /** Default: a minute. */
  readonly pollMs?: number;
  readonly limits?: BatchLimits;
  /** Attempts that may wait at once; default: those of one full file. */
  readonly inFlight?: number;
  /** Sends an attempt whose earlier upload became no batch; default: in the next file. */
  readonly resend?: Dispatcher['send'];
  /** A sentence for people: a batch was submitted, has ended, or told something odd. */
  readonly onNotice?: (sentence: string) => void;
}

export interface BatchDispatcher extends Dispatcher {
  /** Attempts that earlier runs left at the provider. */
  readonly heldCount: number;
}

const defaultPollMs = 60_000;

/**
 * The Batch API as a dispatcher: attempts wait until a file is full or all are there, and are
 * answered when their batch has ended. What a stopped run leaves at the provider stays claimed, and
 * the next run collects it. Throws SimgptError `dataInvalid` where the journal's records are wrong.
 */
export function createBatchDispatcher(options: BatchOptions): BatchDispatcher {
  const { api, pollMs = defaultPollMs, onNotice = () => {} } = options;
  const { limits = batchLimits, inFlight = batchLimits.rows } = options;
  const ending = new AbortController();
  setMaxListeners(0, ending.signal);
  const stop = ending.signal;
  const watched = new WeakSet<AbortSignal>();
  const resends = new Map<string, () => Promise<SentAnswer>>();
  let structured = true;

  const uploads = createUploads({
    ...options,
    pollMs,
    stop,
    onNotice,
    onRefusedStructure: () => void (structured = false),
    onRequeue: (pending) => {
      for (const each of pending) {
        const resend = resends.get(each.name);
        if (resend === undefined) enqueue(each);
        else resend().then(each.resolve, each.reject);
      }
      queue.flush();
    },
  });
  const queue = createBatchQueue(limits, (file) => uploads.submit(file));
  const enqueue = (given: Omit<Pending, 'asked'>): void => {
    const asked = structured && given.request.schema !== undefined;
    const { outputLimitField } = api.api;
    queue.add({ ...given, asked }, requestLine(given.name, given.request, outputLimitField, asked));
  };

  const end = (): Promise<void> => {
    ending.abort();
    for (const { resolve } of queue.drop()) resolve(notSent);
    return uploads.end();
  };
  const watch = (signal: AbortSignal): void => {
    if (watched.has(signal)) return;
    watched.add(signal);
    const onAbort = (): void => void end();
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  };

  return {
    inFlight,
    heldCount: uploads.heldCount,
    holds: (key) => uploads.find(attemptName(key)) !== undefined,
    send: (attempt, signals) => {
      watch(signals.stop);
      const name = attemptName(attempt);
      const held = uploads.find(name);
      if (stop.aborted) {
        // Of what is at the provider nobody can say what it costs: its claim stays as it is.
        return held === undefined ? Promise.resolve(notSent) : Promise.reject(cancelled());
      }
      return new Promise<SentAnswer>((resolve, reject) => {
        const { request } = attempt;
        const pending = { name, request, resolve, reject };
        if (held === undefined) return enqueue(pending);
        const { resend } = options;
        if (resend !== undefined) resends.set(name, () => resend(attempt, signals));
        held.pending.set(name, { ...pending, asked: structured });
      });
    },
    settled: () => {
      queue.flush();
      uploads.collectHeld();
    },
    async [Symbol.asyncDispose]() {
      await end();
      await api[Symbol.asyncDispose]();
    },
  };
}

const notSent = bareAnswer('notSent', 'cancelled', 'stop');
