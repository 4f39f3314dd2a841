import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDigestMap, createDigestSet } from '#dist/files/digest_map.js';

test('a set knows the names it was given, through all its growth', () => {
  const set = createDigestSet();
  assert.equal(set.has('name 0'), false);
  for (let i = 0; i < 20_000; i += 1) assert.equal(set.add(`name ${i}`), true);
  for (let i = 0; i < 20_000; i += 1) {
    assert.equal(set.has(`name ${i}`), true);
    assert.equal(set.add(`name ${i}`), false);
    assert.equal(set.has(`other ${i}`), false);
  }
  assert.equal(set.size, 20_000);
});

test('a map tells names and numbers apart, and replaces what is set again', () => {
  const map = createDigestMap();
  const place = (i: number, number: number) => ({ position: i * 2 ** 32 + number, bytes: i + 1 });
  for (let i = 0; i < 10_000; i += 1) {
    for (const number of [0, 1]) map.set(`${i}`, number, place(i, number));
  }
  assert.equal(map.size, 20_000);
  for (let i = 0; i < 10_000; i += 1) {
    assert.deepEqual(map.get(`${i}`), place(i, 0));
    assert.deepEqual(map.get(`${i}`, 1), place(i, 1));
    assert.equal(map.get(`${i}`, 2), undefined);
  }
  map.set('7', 1, { position: 0, bytes: 5 });
  assert.deepEqual(map.get('7', 1), { position: 0, bytes: 5 });
  assert.equal(map.size, 20_000);
});
