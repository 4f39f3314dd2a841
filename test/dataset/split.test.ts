import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createDedup, rowKey } from '#dist/dataset/dedup.js';
import { comparableText } from '#dist/dataset/minhash.js';
import { revokes } from '#dist/dataset/revoke.js';
import { createTextComponents, sampleRows, splitRows } from '#dist/dataset/split.js';
import { createStats } from '#dist/dataset/stats.js';
import type { TrainingExample } from '#dist/dataset/training_example.js';

function row(
  anchor: string,
  positive: string,
  more: Partial<TrainingExample> = {},
): TrainingExample {
  return {
    id: '1',
    line: 1,
    anchor,
    positive,
    hardNegatives: [],
    source: 's',
    replaced: false,
    ...more,
  };
}

test('any rows: no text is in two parts, every row is in one, equal seeds divide equally', () => {
  const text = fc.constantFrom(
    'a',
    'A ',
    'b',
    'c',
    'd',
    'e',
    'f',
    'g',
    'h',
    'i',
    'j',
    'k',
    'l',
    'm',
  );
  const rowOf = fc.record({
    anchor: text,
    positive: text,
    hardNegatives: fc.array(text, { maxLength: 2 }),
  });
  const parts = [
    { name: 'train', share: 8 },
    { name: 'dev', share: 1 },
    { name: 'test', share: 1 },
  ];
  fc.assert(
    fc.property(fc.array(rowOf, { maxLength: 30 }), fc.nat(100), (rows, seed) => {
      const components = createTextComponents();
      rows.forEach((example) => components.add(example));
      const roots = components.roots();
      const partOf = splitRows(roots, parts, seed);
      assert.deepEqual(splitRows(roots, parts, seed), partOf);
      const home = new Map<string, number>();
      for (const [i, { anchor, positive, hardNegatives }] of rows.entries()) {
        assert.ok(partOf[i]! < parts.length);
        for (const own of [anchor, positive, ...hardNegatives].map(comparableText)) {
          assert.equal(home.get(own) ?? partOf[i], partOf[i]);
          home.set(own, partOf[i]!);
        }
      }
    }),
    { numRuns: 300, seed: 6 },
  );
});

test('rows that share nothing are divided by the shares, another way for another seed', () => {
  const roots = Uint32Array.from({ length: 1000 }, (_, i) => i);
  const parts = [
    { name: 'train', share: 0.9 },
    { name: 'dev', share: 0.1 },
  ];
  const divided = [1, 2].map((seed) => splitRows(roots, parts, seed));
  for (const partOf of divided) {
    assert.equal(partOf.filter((part) => part === 1).length, 100);
  }
  assert.notDeepEqual(divided[0], divided[1]);
  assert.throws(() => splitRows(roots, [{ name: 'a', share: 0 }], 1), RangeError);
});

test('a sample has as many rows as asked, each about as often as any other', () => {
  const counts = new Float64Array(20);
  for (let seed = 0; seed < 2000; seed++) {
    const drawn = sampleRows(20, 5, seed);
    assert.equal(
      drawn.reduce((sum, flag) => sum + flag, 0),
      5,
    );
    drawn.forEach((flag, i) => (counts[i]! += flag));
  }
  // 500 expected, sd 19.4; 20 rows.
  assert.ok(
    counts.every((count) => Math.abs(count - 500) < 80),
    counts.join(' '),
  );
});

test('equal rows go, near ones where asked, and a pair is near only where both texts are', () => {
  const rows = [
    row('two dogs run in the deep snow', 'animals are outside'),
    row('Two dogs  run in the deep snow', 'animals are outside', { hardNegatives: [] }),
    row('two dogs run in the deep snow', 'animals are outside', { hardNegatives: ['x'] }),
    row('two dogs run in the deep snow!', 'Animals are outside.'),
    row('two dogs run in the deep snow', 'a sled is pulled up a hill'),
  ];
  const kinds = (options?: Parameters<typeof createDedup>[0]) => {
    const { check } = createDedup(options);
    return rows.map((example) => check(example));
  };
  assert.deepEqual(kinds(), [null, 'exact', null, null, null]);
  assert.deepEqual(kinds({ threshold: 0.8 }), [null, 'exact', 'near', 'near', null]);
  assert.deepEqual(kinds({ threshold: 0.8, near: 'anchor' }), [
    null,
    'exact',
    'near',
    'near',
    'near',
  ]);
  assert.equal(rowKey(rows[0]!), rowKey(rows[1]!));
  assert.notEqual(rowKey(row('a', 'b', { hardNegatives: ['c'] })), rowKey(row('a', 'b')));
});

test('what descends from a source or an input row is revoked, nothing else', () => {
  const from = (...ids: string[]) => JSON.stringify(ids.map((sourceId) => ({ sourceId, seed: 1 })));
  const isRevoked = revokes({ sources: ['bad'], sourceIds: ['7', '8'] });
  const cases: readonly (readonly [Partial<TrainingExample>, boolean])[] = [
    [{ source: 'bad' }, true],
    [{ source: 'Bad' }, false],
    [{ id: '7' }, true],
    [{ id: '7', provenance: from('1', '2') }, false],
    [{ id: '1', provenance: from('1', '8') }, true],
    [{ id: '8', provenance: 'not JSON' }, true],
    [{ id: '1', provenance: '{"sourceId":"7"}' }, true],
    [{ id: '1', provenance: '[{"sourceId":7},null,"7"]' }, false],
  ];
  for (const [fields, expected] of cases) {
    assert.equal(isRevoked(row('a', 'b', fields)), expected, JSON.stringify(fields));
  }
});

test('counts, lengths and repeats are those of the rows', () => {
  const stats = createStats({ near: true });
  const rows = [
    row('one two three four', 'b', {
      source: '__proto__',
      positiveScore: 1,
      task: 't',
      group: 'g',
    }),
    row('One two three  four', 'B', { id: '2', hardNegatives: ['c', 'd'], positiveScore: 4 }),
    row('one two three four', 'b', { hardNegatives: [], replaced: true }),
    row('x', 'x', { id: '3' }),
  ];
  rows.forEach(stats.add);
  assert.deepEqual(stats.report(), {
    rows: 4,
    unsupervised: 1,
    hardNegatives: [
      [0, 3],
      [2, 1],
    ],
    lengths: {
      anchor: { texts: 4, min: 1, median: 18, p95: 19, max: 19, mean: 14 },
      positive: { texts: 4, min: 1, median: 1, p95: 1, max: 1, mean: 1 },
      hardNegatives: { texts: 2, min: 1, median: 1, p95: 1, max: 1, mean: 1 },
    },
    scores: { positiveScore: { rows: 2, min: 1, mean: 2.5, max: 4 }, negativeScore: null },
    sources: [
      { name: 's', rows: 3 },
      { name: '__proto__', rows: 1 },
    ],
    tasks: [{ name: 't', rows: 1 }],
    groups: 1,
    distinctTexts: 5,
    duplicateRows: 1,
    repeatedAnchors: 2,
    repeatedIds: 1,
    nearAnchors: 2,
    replaced: 1,
  });
  assert.deepEqual(createStats().report().lengths.anchor, null);
});
