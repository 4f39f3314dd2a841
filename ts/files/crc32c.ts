// CRC-32C, the Castagnoli polynomial with the better distance at journal record lengths: reflected
// 0x82f63b78, start and final xor of all ones, as RFC 3720 section 12.1 and appendix B.4 give it.
// `node:zlib` has only the CRC-32 of gzip.
const table = new Int32Array(256).map((_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  }
  return remainder;
});

/** CRC-32C of `bytes` as an unsigned 32-bit number; `start` continues from an earlier part. */
export function crc32c(bytes: Uint8Array, start = 0): number {
  let remainder = ~start;
  for (let i = 0; i < bytes.length; i += 1) {
    remainder = table[(remainder ^ bytes[i]!) & 0xff]! ^ (remainder >>> 8);
  }
  return ~remainder >>> 0;
}
