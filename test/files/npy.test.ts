import assert from 'node:assert/strict';
import { test } from 'node:test';
import { npyHeader, npyValues } from '#dist/files/npy.js';

test('the header is NumPy format 1.0, 128 bytes for every shape', () => {
  for (const [rows, columns] of [
    [0, 384],
    [3, 2],
    [2 ** 52, 65536],
  ] as const) {
    const header = Buffer.from(npyHeader(rows, columns));
    assert.equal(header.length, 128);
    assert.equal(header.subarray(0, 8).toString('latin1'), '\u0093NUMPY\u0001\u0000');
    assert.equal(header.readUInt16LE(8), 118);
    const text = header.subarray(10).toString('latin1');
    assert.equal(
      text.trimEnd(),
      `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`,
    );
    assert.ok(text.endsWith('\n'));
  }
});

test('values are their little-endian bytes, of a view too', () => {
  const values = Float32Array.of(0, 1, -2).subarray(1);
  assert.deepEqual(Buffer.from(npyValues(values)), Buffer.from('0000803f000000c0', 'hex'));
});
