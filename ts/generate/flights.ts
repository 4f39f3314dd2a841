/** The calls on their way, from before their claim to after their settlement. */
export interface Flights {
  readonly begin: () => void;
  readonly end: () => void;
  /** Takes back a begin whose claim was refused: nobody has to look again. */
  readonly cancel: () => void;
  readonly any: () => boolean;
  /** How many have ended. */
  readonly ended: () => number;
  /** Resolves when the next one ends, or `halt` fires. */
  readonly nextEnd: () => Promise<void>;
}

export function createFlights(halt: AbortSignal): Flights {
  let count = 0;
  let ended = 0;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const told = waiting;
    waiting = [];
    for (const tell of told) tell();
  };
  halt.addEventListener('abort', wake, { once: true });
  return {
    begin: () => void (count += 1),
    end: () => {
      count -= 1;
      ended += 1;
      wake();
    },
    cancel: () => void (count -= 1),
    any: () => count > 0,
    ended: () => ended,
    nextEnd: () =>
      halt.aborted ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)),
  };
}
