import { SimgptError } from '../errors.js';
import type { Dispatcher } from './dispatch.js';
import type { Halt } from './halt.js';
import type { Unit } from './recipe.js';

/** Where the calls of one unit are, so that a dispatcher learns when all that can come has come. */
export interface UnitTraffic {
  /** A call begins or ends. */
  readonly onCall: (change: 1 | -1) => void;
  /** A call becomes the dispatcher's, or comes back from it. */
  readonly onSending: (change: 1 | -1) => void;
  /** Adds to the time that the unit's calls and waits have taken, and tells the sum. */
  readonly spend: (ms: number) => number;
  readonly end: () => void;
}

export interface Traffic {
  readonly begin: () => UnitTraffic;
  readonly onNoMoreUnits: () => void;
}

/** Tells the dispatcher each time that every unit there is waits for it. */
export function createTraffic(dispatcher: Pick<Dispatcher, 'inFlight' | 'settled'>): Traffic {
  let units = 0;
  let waiting = 0;
  let sending = 0;
  let noMoreUnits = false;
  const look = (): void => {
    const isWhole = waiting === units && (noMoreUnits || units >= dispatcher.inFlight);
    if (sending > 0 && (isWhole || sending >= dispatcher.inFlight)) dispatcher.settled();
  };
  return {
    begin: () => {
      units += 1;
      let calls = 0;
      let sent = 0;
      let spentMs = 0;
      const moved = (change: () => void): void => {
        const isWaiting = (): number => (sent > 0 && sent === calls ? 1 : 0);
        waiting -= isWaiting();
        change();
        waiting += isWaiting();
        look();
      };
      return {
        onCall: (change) => moved(() => void (calls += change)),
        onSending: (change) =>
          moved(() => {
            sent += change;
            sending += change;
          }),
        spend: (ms) => (spentMs += ms),
        end: () => {
          units -= 1;
          look();
        },
      };
    },
    onNoMoreUnits: () => {
      noMoreUnits = true;
      look();
    },
  };
}

/** So many at once; others wait in order. */
export interface Slots {
  readonly run: <T>(work: () => Promise<T>) => Promise<T>;
  /** All of them from now on. */
  readonly widen: () => void;
}

/** `count` slots, of which `first` are open until they are widened. */
export function createSlots(count: number, first: number = count): Slots {
  let free = first;
  let closed = count - first;
  const waiting: (() => void)[] = [];
  const release = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return {
    run: async (work) => {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        release();
      }
    },
    widen: () => {
      for (; closed > 0; closed -= 1) release();
    },
  };
}

export interface UnitsDone {
  readonly done: number;
  /** How many units from the first on are done without a gap. */
  readonly prefix: number;
}

/**
 * Works on units in their order, `width` at once. A halted run takes no further unit and waits for
 * those it has; any other failure halts the run and is thrown when they have ended.
 */
export async function eachUnit(
  units: AsyncIterable<Unit>,
  width: number,
  halt: Halt,
  traffic: Traffic,
  work: (unit: Unit, traffic: UnitTraffic) => Promise<void>,
): Promise<UnitsDone> {
  const iterator = units[Symbol.asyncIterator]();
  let taken = 0;
  let done = 0;
  let ended = false;
  let firstUndone = Number.POSITIVE_INFINITY;
  const failures: unknown[] = [];
  // One question at a time: a generator asked by thousands at once walks its queue for each.
  let turn: Promise<unknown> = Promise.resolve();
  const take = (): Promise<IteratorResult<Unit>> => {
    const mine = turn.then(() => (ended ? noUnit : iterator.next()));
    turn = mine.catch(() => undefined);
    return mine;
  };
  const worker = async (): Promise<void> => {
    while (halt.stop === undefined && !ended) {
      let index = Number.POSITIVE_INFINITY;
      try {
        const next = await take();
        if (next.done === true) {
          if (!ended) traffic.onNoMoreUnits();
          ended = true;
          return;
        }
        index = taken;
        taken += 1;
        const unitTraffic = traffic.begin();
        await work(next.value, unitTraffic).finally(unitTraffic.end);
        done += 1;
      } catch (error) {
        firstUndone = Math.min(firstUndone, index);
        // Units of a halted run end like this, and what others have on its way still comes in.
        if (halt.stop !== undefined && isCancelled(error)) continue;
        failures.push(error);
        halt.pull({ kind: 'interrupted', reason: 'failed', sentence: 'the run failed' });
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  await iterator.return?.();
  // oxlint-disable-next-line typescript/only-throw-error -- what a unit threw, as it threw it
  if (failures.length > 0) throw failures[0];
  return { done, prefix: Math.min(firstUndone, taken) };
}

const noUnit: IteratorResult<Unit> = { done: true, value: undefined };

function isCancelled(error: unknown): boolean {
  return error instanceof SimgptError && error.code === 'cancelled';
}
