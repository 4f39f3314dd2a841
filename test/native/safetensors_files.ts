/** Bytes of a safetensors file with this header, stated as JSON text or a value. */
export function safetensorsBytes(
  header: unknown,
  dataBytes: number | Uint8Array = 0,
  statedLength?: bigint,
): Uint8Array {
  const text =
    header instanceof Uint8Array
      ? header
      : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(statedLength ?? BigInt(text.length));
  const data = typeof dataBytes === 'number' ? Buffer.alloc(dataBytes, 1) : dataBytes;
  return Buffer.concat([length, text, data]);
}

export function tensor(dtype: unknown, shape: unknown, begin: unknown, end: unknown): object {
  return { dtype, shape, data_offsets: [begin, end] };
}

/** A small sequence of pseudo-random numbers that a seed repeats (mulberry32). */
export function randomSource(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return Math.floor((((value ^ (value >>> 14)) >>> 0) / 4294967296) * below);
  };
}
