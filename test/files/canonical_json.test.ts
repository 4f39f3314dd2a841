import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '#dist/files/canonical_json.js';
import type { JsonValue } from '#dist/files/canonical_json.js';

test('keys are sorted, however the object was made', () => {
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: 'x' }], a: true }),
    '{"a":true,"b":[1,{"c":"x","d":null}]}',
  );
  assert.equal(canonicalJson(JSON.parse('{"__proto__":1}') as JsonValue), '{"__proto__":1}');
});

test('JSON reads back the same value, on one line', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = canonicalJson(JSON.parse(JSON.stringify(value)) as JsonValue);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.ok(!text.includes('\n'));
    }),
    { seed: 5, numRuns: 1000 },
  );
});

test('what JSON would drop or change is refused', () => {
  const values = [
    undefined,
    Number.NaN,
    Infinity,
    -0,
    () => 1,
    1n,
    new Date(0),
    new Map(),
    Array(1),
  ];
  for (const value of values) {
    assert.throws(() => canonicalJson({ value } as unknown as JsonValue), TypeError);
  }
  const nested = (depth: number): JsonValue => (depth === 0 ? 1 : [nested(depth - 1)]);
  assert.doesNotThrow(() => canonicalJson(nested(64)));
  assert.throws(() => canonicalJson(nested(65)), RangeError);
});
