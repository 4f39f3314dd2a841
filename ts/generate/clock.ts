import { setTimeout as sleep } from 'node:timers/promises';

import type { Clock } from './limiter.js';

/** The machine's time. A sleep rejects with the signal's reason once it fires. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: async (ms, signal) => {
    try {
      await sleep(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};
