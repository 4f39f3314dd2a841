import { hash } from 'node:crypto';

import { philox4x32 } from './philox.js';

/**
 * Numbers in [0, 1) with 53 bits, a function of the name and the seed (0 to 2^53 - 1) alone. The
 * name goes into the counter by sha256, so streams of different names do not meet.
 */
export function namedDraws(name: string, seed: number = 0): () => number {
  const digest = hash('sha256', name, 'buffer');
  let block = 0;
  return () => {
    const counter = Uint32Array.of(
      block++,
      digest.readUInt32LE(0),
      digest.readUInt32LE(4),
      digest.readUInt32LE(8),
    );
    philox4x32(counter, seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
    return ((counter[0]! >>> 5) * 2 ** 26 + (counter[1]! >>> 6)) / 2 ** 53;
  };
}

/** One of the items, all as likely. */
export function drawnFrom<T>(items: readonly T[], next: () => number): T {
  return items[Math.floor(next() * items.length)]!;
}
