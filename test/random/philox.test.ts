import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillPhilox, philox4x32 } from '#dist/random/philox.js';

// Known answers of the authors' Random123 library (kat_vectors, philox4x32 10).
const knownAnswers: readonly (readonly [counter: number[], key: number[], words: number[]])[] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

test('Philox4x32-10 gives the published words', () => {
  for (const [counter, [low, high], words] of knownAnswers) {
    const block = Uint32Array.from(counter);
    philox4x32(block, low!, high!);
    assert.deepEqual(block, Uint32Array.from(words));
  }
});

test('draws depend on seed, stream and draw alone', () => {
  const words = (seed: number, stream: number, draw: number): string => {
    const out = new Uint32Array(7);
    fillPhilox(out, { seed, stream, draw });
    return out.join(' ');
  };
  assert.equal(words(1, 2, 3), words(1, 2, 3));
  const others = [words(2, 2, 3), words(1, 3, 3), words(1, 2, 4), words(1 + 2 ** 32, 2, 3)];
  assert.equal(new Set([words(1, 2, 3), ...others]).size, 5);
});
