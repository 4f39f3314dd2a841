import { setMaxListeners } from 'node:events';

import { SimgptError } from '../errors.js';

/** Why a run ended before its artefact; the same command goes on where it ended. */
export interface Stop {
  readonly kind: 'interrupted' | 'budget' | 'provider';
  /** A stable word, such as `tokens`, `insufficient_quota` or `unreachable`. */
  readonly reason: string;
  /** One sentence: what happened and what to do. */
  readonly sentence: string;
}

/** The one switch that ends a run early: nothing more is sent, what is in flight comes in. */
export interface Halt {
  readonly signal: AbortSignal;
  /** Not fired by a budget: what is claimed within it may still be sent. */
  readonly sending: AbortSignal;
  readonly stop: Stop | undefined;
  /** The first reason counts. */
  readonly pull: (stop: Stop) => void;
  /** What a worker throws that finds the run halted. */
  readonly error: () => SimgptError;
}

export function createHalt(): Halt {
  const controller = new AbortController();
  const sending = new AbortController();
  // Every call that waits listens, and there may be thousands.
  setMaxListeners(0, controller.signal, sending.signal);
  let stop: Stop | undefined;
  const error = (): SimgptError => new SimgptError('cancelled', stop?.sentence ?? 'stopped');
  return {
    signal: controller.signal,
    sending: sending.signal,
    get stop() {
      return stop;
    },
    pull: (given) => {
      if (given.kind !== 'budget') sending.abort(error());
      if (stop !== undefined) return;
      stop = given;
      controller.abort(error());
    },
    error,
  };
}
