import { permutation, shuffle } from '../random/shuffle.js';

/** A data set as the order of its batches sees it: numbers alone. */
export interface PlannedExamples {
  /** Examples in all sources. */
  readonly size: number;
  /** Where each source starts, and `size` at the end. */
  readonly sourceStarts: readonly number[];
  /** How many times an epoch holds each example of a source; a fraction takes turns. */
  readonly weights: readonly number[];
  /** Ids of an example's texts, equal where the texts are; absent where texts may repeat. */
  readonly texts?: TextIds | undefined;
  /** [size] what a batch may hold only one of; absent where it may hold all. */
  readonly kinds?: Uint32Array | undefined;
}

export interface TextIds {
  /** [size + 1] where each example's ids start. */
  readonly starts: Uint32Array;
  readonly ids: Uint32Array;
  /** How many there are. */
  readonly distinct: number;
}

/** The batches of one epoch: batch b holds `order` from `starts[b]` to `starts[b + 1]`. */
export interface EpochPlan {
  readonly order: Uint32Array;
  readonly starts: Uint32Array;
}

// Streams of draws under one seed; `generate/` has its own seeds.
const sourceStream = 0x0da7a000;
const mixStream = 0x0da7b000;
const batchStream = 0x0da7c000;

/** The batches of an epoch, a function of its arguments alone; nothing of other epochs is needed. */
export function planEpoch(
  examples: PlannedExamples,
  batchSize: number,
  { seed, epoch }: { readonly seed: number; readonly epoch: number },
): EpochPlan {
  const entries = shuffle(epochEntries(examples, seed, epoch), {
    seed,
    stream: mixStream,
    draw: epoch,
  });
  const parts = examples.kinds === undefined ? [entries] : byKind(entries, examples.kinds);
  const batches = parts.flatMap((part) =>
    examples.texts === undefined
      ? cut(part, batchSize)
      : cutWithoutRepeats(part, batchSize, examples.texts),
  );
  const order = new Uint32Array(entries.length);
  const starts = new Uint32Array(batches.length + 1);
  const turn =
    parts.length > 1
      ? permutation(batches.length, { seed, stream: batchStream, draw: epoch })
      : batches.keys();
  let at = 0;
  let end = 0;
  for (const index of turn) {
    order.set(batches[index]!, end);
    end += batches[index]!.length;
    starts[++at] = end;
  }
  return { order, starts };
}

/** What an epoch holds, in no order: each source by its weight. */
function epochEntries(examples: PlannedExamples, seed: number, epoch: number): Uint32Array {
  const parts = examples.weights.map((weight, source) => {
    const start = examples.sourceStarts[source]!;
    const size = examples.sourceStarts[source + 1]! - start;
    const count = Math.max(size === 0 ? 0 : 1, Math.round(weight * size));
    return takeTurns(start, size, count, epoch, (round) => ({
      seed,
      stream: sourceStream + source,
      draw: round,
    }));
  });
  const entries = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    entries.set(part, at);
    at += part.length;
  }
  return entries;
}

/**
 * `count` entries of an endless row of rounds, each round all of a source in an order of its own:
 * epoch e takes those from e · count on. So no example is seen a second time before all are once.
 */
function takeTurns(
  start: number,
  size: number,
  count: number,
  epoch: number,
  keyOf: (round: number) => Parameters<typeof permutation>[1],
): Uint32Array {
  const taken = new Uint32Array(count);
  const first = epoch * count;
  for (let at = 0; at < count;) {
    const round = Math.floor((first + at) / size);
    const from = first + at - round * size;
    const length = Math.min(size - from, count - at);
    // A whole round is shuffled with the rest later; only of a part it matters which.
    const order = length === size ? undefined : permutation(size, keyOf(round));
    for (let i = 0; i < length; i++) {
      taken[at + i] = start + (order === undefined ? i : order[from + i]!);
    }
    at += length;
  }
  return taken;
}

function byKind(entries: Uint32Array, kinds: Uint32Array): Uint32Array[] {
  const parts = new Map<number, number[]>();
  for (const entry of entries) {
    const kind = kinds[entry]!;
    const part = parts.get(kind);
    if (part === undefined) {
      parts.set(kind, [entry]);
    } else {
      part.push(entry);
    }
  }
  // In the order of their ids, so that equal epochs give equal batches.
  return [...parts].sort(([a], [b]) => a - b).map(([, part]) => Uint32Array.from(part));
}

function cut(entries: Uint32Array, batchSize: number): Uint32Array[] {
  const batches: Uint32Array[] = [];
  for (let start = 0; start < entries.length; start += batchSize) {
    batches.push(entries.subarray(start, start + batchSize));
  }
  return batches;
}

/**
 * Batches in the order of `entries` in which no text occurs in two examples. One that repeats a
 * text of the batch waits for the next. Those that wait at the end change places with examples of
 * full batches; only where no batch takes them, since some text occurs in more examples than there
 * are batches, do they make batches of their own.
 */
function cutWithoutRepeats(entries: Uint32Array, batchSize: number, texts: TextIds): Uint32Array[] {
  const batches: number[][] = [];
  const waiting = createWaiting();
  const usedIn = new Uint32Array(texts.distinct); // The number from 1 of the last batch with a text.
  let next = 0;
  while (next < entries.length || waiting.count() > 0) {
    const number = batches.length + 1;
    const batch: number[] = [];
    const take = (entry: number): number | undefined => {
      const clash = findText(texts, entry, (id) => usedIn[id] === number);
      if (clash === undefined) {
        findText(texts, entry, (id) => {
          usedIn[id] = number;
          return false;
        });
        batch.push(entry);
      }
      return clash;
    };
    waiting.offer(() => batch.length < batchSize, take);
    while (batch.length < batchSize && next < entries.length) {
      const entry = entries[next++]!;
      const clash = take(entry);
      if (clash !== undefined) {
        waiting.add(clash, entry);
      }
    }
    batches.push(batch);
  }
  mergeTail(batches, batchSize, Math.ceil(entries.length / batchSize), texts);
  return batches.map((batch) => Uint32Array.from(batch));
}

/**
 * Entries that wait, by the text that held them up: where the first of a queue is refused or taken,
 * those behind it hold the same text and need not be asked, or 100,000 examples of five labels would
 * be asked again for each of 20,000 batches.
 */
function createWaiting(): {
  readonly count: () => number;
  readonly add: (text: number, entry: number) => void;
  readonly offer: (isOpen: () => boolean, take: (entry: number) => number | undefined) => void;
} {
  const queues = new Map<number, { entries: number[]; head: number }>();
  let count = 0;
  const add = (text: number, entry: number): void => {
    const queue = queues.get(text);
    if (queue === undefined) {
      queues.set(text, { entries: [entry], head: 0 });
    } else {
      queue.entries.push(entry);
    }
    count++;
  };
  return {
    count: () => count,
    add,
    offer: (isOpen, take) => {
      for (const [text, queue] of queues) {
        if (!isOpen()) {
          break;
        }
        const entry = queue.entries[queue.head]!;
        const clash = take(entry);
        if (clash === text) {
          continue;
        }
        queue.head++;
        count--;
        if (queue.head === queue.entries.length) {
          queues.delete(text);
        }
        if (clash !== undefined) {
          add(clash, entry);
        }
      }
    },
  };
}

/**
 * Brings the number of batches back to `wanted` by exchanging examples, as far as texts allow; where
 * more are left than a few batches hold, some text is too frequent for that and they stay.
 */
function mergeTail(batches: number[][], batchSize: number, wanted: number, texts: TextIds): void {
  const left = batches.slice(wanted).flat();
  if (left.length > 4 * batchSize) {
    return;
  }
  batches.length = Math.min(wanted, batches.length);
  for (const entry of left) {
    if (!placeByExchange(entry, batches, batches[wanted - 1]!, batchSize, texts)) {
      const fits = (batch: readonly number[]): boolean =>
        batch.length < batchSize && !clashes(texts, entry, batch);
      const home = batches.slice(wanted).find(fits);
      if (home === undefined) {
        batches.push([entry]);
      } else {
        home.push(entry);
      }
    }
  }
}

/** Puts `left` into a batch and that batch's example into `last`, which has room. */
function placeByExchange(
  left: number,
  batches: readonly number[][],
  last: number[],
  batchSize: number,
  texts: TextIds,
): boolean {
  if (last.length >= batchSize) {
    return false;
  }
  if (!clashes(texts, left, last)) {
    last.push(left);
    return true;
  }
  for (const batch of batches) {
    if (batch === last || clashes(texts, left, batch)) {
      continue;
    }
    const moved = batch.findIndex((entry) => !clashes(texts, entry, last));
    if (moved >= 0) {
      last.push(batch[moved]!);
      batch[moved] = left;
      return true;
    }
  }
  return false;
}

function clashes(texts: TextIds, entry: number, batch: readonly number[]): boolean {
  const isOwn = (id: number): boolean => findText(texts, entry, (own) => own === id) !== undefined;
  return batch.some((other) => findText(texts, other, isOwn) !== undefined);
}

/** The first text of an example that passes. */
function findText(
  texts: TextIds,
  entry: number,
  test: (id: number) => boolean,
): number | undefined {
  for (let at = texts.starts[entry]!; at < texts.starts[entry + 1]!; at++) {
    if (test(texts.ids[at]!)) {
      return texts.ids[at]!;
    }
  }
  return undefined;
}
