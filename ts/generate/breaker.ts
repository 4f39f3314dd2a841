import type { Outcome } from './classify.js';

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  readonly coolDownMs: number;
}

/** Stops sending to a server that is down, and tells when it is not the API at all. */
export interface Breaker {
  /** False while open; after the cool-down one call at a time is let through as a probe. */
  allows(): boolean;
  record(outcome: Outcome): void;
  /** Whether so many calls in a row have failed that it lets none but probes through. */
  readonly isOpen: boolean;
  /** Whether three answers in a row were not the API's: the run should stop. */
  readonly wrongServer: boolean;
}

const wrongServerAfter = 3;
const defaults: BreakerOptions = { failures: 8, coolDownMs: 30_000 };

export function createBreaker(
  clock: { now(): number },
  { failures, coolDownMs }: BreakerOptions = defaults,
): Breaker {
  let inRow = 0;
  let strangersInRow = 0;
  let closedAgainAtMs = 0;
  return {
    allows() {
      if (inRow < failures) return true;
      if (clock.now() < closedAgainAtMs) return false;
      // The probe holds the door: a second call waits for its outcome, or one more cool-down.
      closedAgainAtMs = clock.now() + coolDownMs;
      return true;
    },
    record(outcome) {
      strangersInRow = outcome.kind === 'notTheApi' ? strangersInRow + 1 : 0;
      if (!isFailure(outcome)) {
        inRow = 0;
        return;
      }
      inRow += 1;
      if (inRow >= failures) closedAgainAtMs = clock.now() + coolDownMs;
    },
    get isOpen() {
      return inRow >= failures;
    },
    get wrongServer() {
      return strangersInRow >= wrongServerAfter;
    },
  };
}

/** A rate limit is the limiter's to obey, and a bad answer is the model's: neither means down. */
export function isFailure({ kind, status, reason }: Outcome): boolean {
  if (reason === 'cancelled') return false;
  return kind === 'notSent' || kind === 'unknown' || (kind === 'notBilled' && (status ?? 0) >= 500);
}
