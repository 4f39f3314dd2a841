import { fillPhilox } from './philox.js';
import type { CounterKey } from './philox.js';

/** 0 to size - 1 in an order that (seed, stream, draw) alone decides. */
export function permutation(size: number, key: CounterKey): Uint32Array {
  const order = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    order[i] = i;
  }
  return shuffle(order, key);
}

/**
 * Shuffles in place, each order as likely as any other (Fisher and Yates, to within 2^-21 for a
 * million entries): two words a draw, since one would favour some entries by up to size / 2^32.
 */
export function shuffle(entries: Uint32Array, key: CounterKey): Uint32Array {
  const words = new Uint32Array(2 * entries.length);
  fillPhilox(words, key);
  for (let last = entries.length - 1; last > 0; last--) {
    const unit = (words[2 * last]! * 2 ** 21 + (words[2 * last + 1]! >>> 11)) / 2 ** 53;
    const chosen = Math.floor(unit * (last + 1));
    const entry = entries[last]!;
    entries[last] = entries[chosen]!;
    entries[chosen] = entry;
  }
  return entries;
}
