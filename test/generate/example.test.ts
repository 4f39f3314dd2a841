import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readExample, serializeExample } from '#dist/generate/example.js';
import type { Example } from '#dist/generate/example.js';

const example: Example = {
  id: 'row-1',
  anchor: 'A {dog} runs.',
  positive: 'An animal moves.',
  hardNegatives: ['A dog sleeps.'],
  positiveScore: 4.5,
  source: 'captions',
  provenance: [
    {
      template: { id: 'simgpt-captions', version: 1, hash: 'a'.repeat(64) },
      model: 'some-model',
      decoding: { topP: 1, temperature: 1 },
      seed: 7,
      sourceId: '1',
    },
  ],
};

test('an example survives the way to a line and back, with sorted keys', () => {
  const line = serializeExample(example);
  assert.deepEqual(readExample(line, 'line 1'), example);
  assert.equal(serializeExample(readExample(line, 'line 1')), line);
  const shuffled = Object.fromEntries(Object.entries(example).reverse()) as Example;
  assert.equal(serializeExample(shuffled), line);
  assert.ok(line.startsWith('{"anchor":'));
  assert.ok(line.includes('"decoding":{"temperature":1,"topP":1}'));
  assert.doesNotMatch(line, /\n/);
});

test('a line that is no example is refused by field', () => {
  const changed = (change: object) => JSON.stringify({ ...example, ...change });
  for (const [line, named] of [
    ['', /expected a JSON object/],
    ['[]', /\(whole file\)/],
    [changed({ anchor: '' }), /field anchor: expected at least 1/],
    [changed({ positive: 5 }), /field positive: expected .*string.*received 5/],
    [changed({ hardNegatives: 'x' }), /field hardNegatives/],
    [changed({ extra: 1 }), /no other fields, received "extra"/],
    [changed({ provenance: [] }), /field provenance: expected at least 1/],
    [changed({ provenance: [{ ...example.provenance[0], seed: -1 }] }), /provenance\[0\]\.seed/],
    [`{"__proto__":{"id":"x"},${changed({}).slice(1)}`, /__proto__/],
  ] as const) {
    assert.throws(
      () => readExample(line, 'data.jsonl:3'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'dataInvalid');
        assert.ok(error.message.startsWith('data.jsonl:3: '));
        assert.match(error.message, named);
        return true;
      },
      line,
    );
  }
  assert.equal(({} as { id?: string }).id, undefined);
});
