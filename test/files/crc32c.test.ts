import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '#dist/files/crc32c.js';

test('the checksum is that of RFC 3720, appendix B.4', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(ascending), 0x46dd794e);
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test('the checksum of parts is that of the whole', () => {
  const bytes = Buffer.from('the checksum of parts');
  assert.equal(crc32c(bytes.subarray(7), crc32c(bytes.subarray(0, 7))), crc32c(bytes));
  assert.equal(crc32c(new Uint8Array(0)), 0);
});
