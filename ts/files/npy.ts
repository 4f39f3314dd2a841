const headerBytes = 128;

/**
 * The 128 bytes before the values of a float32 `.npy` file of [rows, columns], C order, little
 * endian (NumPy format 1.0). The length is the same for every shape, so a writer that does not know
 * its rows yet can fill the header in last.
 */
export function npyHeader(rows: number, columns: number): Uint8Array {
  const shape = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const header = Buffer.alloc(headerBytes, ' ');
  header.write('\u0093NUMPY\u0001\u0000', 'latin1');
  header.writeUInt16LE(headerBytes - 10, 8);
  header.write(shape, 10, 'latin1');
  header[headerBytes - 1] = 0x0a;
  return header;
}

/** Float32 values as the little-endian bytes that `.npy` holds. */
export function npyValues(values: Float32Array): Uint8Array {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return littleEndian ? bytes : Buffer.from(bytes).swap32();
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
