const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;
const rounds = 10;

/** What a stream of draws is a function of: nothing is carried from one draw to the next. */
export interface CounterKey {
  /** An integer from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Which stream under that seed, 0 to 2^32 - 1. */
  readonly stream: number;
  /** Which draw of that stream, 0 to 2^32 - 1. */
  readonly draw: number;
}

/**
 * Fills `out` with 32-bit words that depend on (seed, stream, draw) alone: Philox4x32-10, a
 * counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 */
export function fillPhilox(out: Uint32Array, { seed, stream, draw }: CounterKey): void {
  const keyLow = seed >>> 0;
  const keyHigh = Math.floor(seed / 2 ** 32) >>> 0;
  const block = new Uint32Array(4);
  for (let start = 0; start < out.length; start += 4) {
    block[0] = start / 4;
    block[1] = draw;
    block[2] = stream;
    block[3] = 0;
    philox4x32(block, keyLow, keyHigh);
    for (let i = 0; i < 4 && start + i < out.length; i++) out[start + i] = block[i]!;
  }
}

/** One block: the counter [4] is replaced by the four words drawn for it. */
export function philox4x32(counter: Uint32Array, keyLow: number, keyHigh: number): void {
  let k0 = keyLow;
  let k1 = keyHigh;
  let c0 = counter[0]!;
  let c1 = counter[1]!;
  let c2 = counter[2]!;
  let c3 = counter[3]!;
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplier0, c0);
    const high1 = multiplyHigh(multiplier1, c2);
    const low0 = Math.imul(multiplier0, c0);
    const low1 = Math.imul(multiplier1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  counter[0] = c0;
  counter[1] = c1;
  counter[2] = c2;
  counter[3] = c3;
}

/** The upper 32 bits of a 64-bit product; in halves, because a double holds 53 bits. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) >>> 0;
}
