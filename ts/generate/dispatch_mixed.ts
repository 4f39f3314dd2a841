import type { BatchDispatcher } from './batch.js';
import { createSlots } from './buy_units.js';
import type { Dispatcher } from './dispatch.js';

/**
 * Live calls for what is new, the Batch API for what an earlier run left there: a run that was
 * started in batches goes on live without paying for an answer twice.
 */
export function createMixedDispatcher(live: Dispatcher, batch: BatchDispatcher): Dispatcher {
  const inSlot = createSlots(live.inFlight);
  return {
    // Those that wait for a batch must not keep the others from being sent.
    inFlight: live.inFlight + batch.heldCount,
    holds: (key) => batch.holds(key) || live.holds(key),
    send: (attempt, signals) =>
      batch.holds(attempt)
        ? batch.send(attempt, signals)
        : inSlot.run(() => live.send(attempt, signals)),
    settled: () => {
      live.settled();
      batch.settled();
    },
    async [Symbol.asyncDispose]() {
      try {
        await batch[Symbol.asyncDispose]();
      } finally {
        await live[Symbol.asyncDispose]();
      }
    },
  };
}
