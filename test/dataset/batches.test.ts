import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBatches } from '#dist/dataset/batches.js';
import type { BatchableExample, BatchOptions, WeightedSource } from '#dist/dataset/batches.js';
import { planEpoch } from '#dist/dataset/epoch_plan.js';
import { permutation } from '#dist/random/shuffle.js';

function example(id: string, texts: Partial<BatchableExample> = {}): BatchableExample {
  return {
    id,
    anchor: `anchor ${id}`,
    positive: `positive ${id}`,
    hardNegatives: [],
    source: 'set',
    ...texts,
  };
}

function numbered(count: number, of: (i: number) => Partial<BatchableExample> = () => ({})) {
  return Array.from({ length: count }, (_, i) => example(String(i), of(i)));
}

/** Every batch of an epoch as ids. */
function idsOfEpoch(
  sources: readonly WeightedSource<BatchableExample>[],
  options: BatchOptions,
  epoch: number,
): string[][] {
  const batches = createBatches(sources, options);
  const first = batches.stepsIn(epoch);
  return Array.from({ length: batches.stepsInEpoch(epoch) }, (_, i) => {
    const batch = batches.batchAt(first + i);
    assert.deepEqual([batch.step, batch.epoch], [first + i, epoch]);
    return batch.examples.map(({ id }) => id);
  });
}

test('steps per epoch are those of the published runs', () => {
  // METHODS 13.
  const golden: readonly (readonly [examples: number, batchSize: number, steps: number])[] = [
    [275_601, 512, 539],
    [275_601, 256, 1_077],
    [275_601, 128, 2_154],
    [1_000_000, 64, 15_625],
    [1_000_000, 256, 3_907],
    [1_000_000, 512, 1_954],
    [371_000, 512, 725],
    [371_000, 256, 1_450],
    [646_601, 512, 1_263],
    [646_601, 256, 2_526],
    [499_184, 256, 1_950],
    [1_800_000, 2048, 879],
  ];
  for (const [size, batchSize, steps] of golden) {
    const examples = { size, sourceStarts: [0, size], weights: [1] };
    const { starts, order } = planEpoch(examples, batchSize, { seed: 42, epoch: 0 });
    assert.equal(starts.length - 1, steps, `${size} by ${batchSize}`);
    assert.equal(order.length, size);
  }
  assert.equal(3 * golden[0]![2], 1_617);
  assert.equal(Math.floor(1_617 / 125), 12);
  assert.equal(4 * golden[10]![2], 7_800);
});

test('the order is a function of seed and epoch: equal again, another for another', () => {
  const sources = [{ examples: numbered(300) }];
  const order = (seed: number, epoch: number): string =>
    idsOfEpoch(sources, { batchSize: 32, seed }, epoch).flat().join(' ');
  assert.equal(order(7, 3), order(7, 3));
  const orders = [order(7, 0), order(7, 1), order(8, 0), order(2 ** 53 - 1, 0), order(2 ** 33, 0)];
  assert.equal(new Set(orders).size, orders.length);
  // Pinned, so that a run stopped under one release goes on under the next; from a few lines of Python.
  assert.deepEqual([...permutation(8, { seed: 1, stream: 2, draw: 3 })], [5, 0, 4, 3, 7, 2, 1, 6]);
});

test('a batch asked for out of the blue is the one met in order', () => {
  const sources = [
    { examples: numbered(50, (i) => ({ anchor: `a ${i % 9}` })) },
    { examples: numbered(31, () => ({ source: 'other' })), weight: 0.4 },
  ];
  for (const sameTaskBatches of [false, true]) {
    const options = { batchSize: 7, seed: 5, sameTaskBatches };
    const inOrder = createBatches(sources, options);
    const steps = Array.from({ length: inOrder.stepsIn(4) }, (_, step) => inOrder.batchAt(step));
    for (const step of [0, 3, inOrder.stepsIn(1), inOrder.stepsIn(3) - 1, inOrder.stepsIn(4) - 1]) {
      assert.deepEqual(createBatches(sources, options).batchAt(step), steps[step]);
    }
  }
});

test('each permutation of four is as likely as any other', () => {
  const counts = new Map<string, number>();
  const draws = 24_000;
  for (let draw = 0; draw < draws; draw++) {
    const key = permutation(4, { seed: 9, stream: 1, draw }).join('');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assert.equal(counts.size, 24);
  const squares = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
  // Chi squared with 23 degrees of freedom: 1 in 1,000 is above 49.7.
  assert.ok(squares < 49.7, String(squares));
});

test('any data, any size: each example once an epoch, no text twice in a batch', () => {
  const word = fc.constantFrom('a', 'B', ' b ', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k');
  const row = fc.record({
    anchor: word,
    positive: word,
    negatives: fc.array(word, { maxLength: 2 }),
  });
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(1000),
      (rows, batchSize, seed) => {
        const examples = rows.map(({ negatives, ...texts }, i) =>
          example(String(i), { ...texts, hardNegatives: negatives }),
        );
        const options = { batchSize, seed, distinctTexts: true };
        const batches = idsOfEpoch([{ examples }], options, 1);
        assert.deepEqual(
          batches
            .flat()
            .map(Number)
            .sort((a, b) => a - b),
          rows.map((_, i) => i),
        );
        for (const ids of batches) {
          assert.ok(ids.length > 0 && ids.length <= batchSize);
          const seen = new Set<string>();
          for (const id of ids) {
            const { anchor, positive, hardNegatives } = examples[Number(id)]!;
            const own = new Set(
              [anchor, positive, ...hardNegatives].map((t) => t.trim().toLowerCase()),
            );
            assert.equal([...own].filter((text) => seen.has(text)).length, 0);
            own.forEach((text) => seen.add(text));
          }
        }
        const released = createBatches([{ examples }], { ...options, distinctTexts: false });
        assert.equal(released.stepsPerEpoch, Math.ceil(rows.length / batchSize));
      },
    ),
    { numRuns: 300, seed: 1 },
  );
});

test('repeated texts cost no step while there are batches enough for them', () => {
  // As in NLI: each premise in three triples.
  const examples = numbered(999, (i) => ({ anchor: `premise ${i % 333}` }));
  for (let epoch = 0; epoch < 20; epoch++) {
    const batches = idsOfEpoch([{ examples }], { batchSize: 64, seed: 3 }, epoch);
    assert.equal(batches.length, 16);
    assert.deepEqual(
      batches.map((ids) => ids.length),
      [...Array.from({ length: 15 }, () => 64), 39],
    );
  }
});

test('a text in more examples than there are batches makes more batches, none lost', () => {
  const examples = numbered(20_000, (i) => ({ positive: `label ${i % 5}` }));
  const batches = idsOfEpoch([{ examples }], { batchSize: 64, seed: 3 }, 0);
  assert.equal(batches.flat().length, 20_000);
  assert.ok(batches.every((ids) => ids.length <= 5));
  assert.ok(batches.length < 4_100, String(batches.length));
});

test('texts are kept apart by default where anchor and positive differ, and not otherwise', () => {
  const labelled = numbered(10, () => ({ anchor: 'one' }));
  assert.equal(
    createBatches([{ examples: labelled }], { batchSize: 5, seed: 0 }).stepsPerEpoch,
    10,
  );
  const sentences = numbered(10, () => ({ anchor: 'one', positive: 'one' }));
  assert.equal(
    createBatches([{ examples: sentences }], { batchSize: 5, seed: 0 }).stepsPerEpoch,
    2,
  );
});

test('weights: a fraction takes turns, two is twice, and examples have one number throughout', () => {
  const sources = [
    { examples: numbered(10, (i) => ({ source: 'half', anchor: `h${i}` })), weight: 0.5 },
    { examples: numbered(4, (i) => ({ source: 'twice', anchor: `t${i}` })), weight: 2 },
    { examples: numbered(3, (i) => ({ source: 'more', anchor: `m${i}` })), weight: 4 / 3 },
  ];
  const batches = createBatches(sources, { batchSize: 17, seed: 11, distinctTexts: false });
  const epochs = [0, 1, 2, 3, 4, 5].map((epoch) => batches.batchAt(epoch));
  const countsOf = (chosen: typeof epochs): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const { anchor } of chosen.flatMap(({ examples }) => examples)) {
      counts.set(anchor, (counts.get(anchor) ?? 0) + 1);
    }
    return counts;
  };
  for (const epoch of [0, 2, 4]) {
    const counts = countsOf(epochs.slice(epoch, epoch + 2));
    assert.deepEqual(
      Array.from({ length: 10 }, (_, i) => counts.get(`h${i}`)),
      Array.from({ length: 10 }, () => 1),
    );
    assert.deepEqual(
      [0, 1, 2, 3].map((i) => counts.get(`t${i}`)),
      [4, 4, 4, 4],
    );
  }
  const thirds = countsOf(epochs.slice(0, 3));
  assert.deepEqual([thirds.get('m0'), thirds.get('m1'), thirds.get('m2')], [4, 4, 4]);
  for (const { exampleIds, examples } of epochs) {
    const all = sources.flatMap((source) => source.examples);
    assert.deepEqual(
      examples.map(({ anchor }) => anchor),
      Array.from(exampleIds, (id) => all[id]!.anchor),
    );
  }
});

test('sameTaskBatches: one task of one source a batch, their order mixed, partial ones kept', () => {
  const examples = numbered(101, (i) => ({
    source: i % 2 === 0 ? 'even' : 'odd',
    ...(i % 3 === 0 ? { task: 'third' } : {}),
  }));
  const options = { batchSize: 8, seed: 2, sameTaskBatches: true };
  const batches = createBatches([{ examples }], options);
  const kinds = Array.from({ length: batches.stepsPerEpoch }, (_, step) => {
    const found = batches.batchAt(step).examples.map(({ task, source }) => `${source} ${task}`);
    assert.equal(new Set(found).size, 1);
    return found[0]!;
  });
  // 17 + 34 + 17 + 33 examples.
  assert.equal(kinds.length, 3 + 5 + 3 + 5);
  const runs = kinds.filter((kind, i) => kind !== kinds[i - 1]).length;
  assert.ok(runs > 6, kinds.join(', '));
  assert.equal(idsOfEpoch([{ examples }], options, 2).flat().length, 101);
});

test('group numbers are equal where groups are, and of their own where there is none', () => {
  const examples = numbered(6, (i) => (i < 4 ? { group: `g${i % 2}` } : {}));
  const batches = createBatches([{ examples }], { batchSize: 6, seed: 0 });
  const { examples: rows, groupIds } = batches.batchAt(0);
  const groups = rows.map(({ group, id }) => group ?? id);
  for (let i = 0; i < 6; i++) {
    for (let j = 0; j < 6; j++) {
      assert.equal(groupIds![i] === groupIds![j], groups[i] === groups[j]);
    }
  }
  const without = createBatches([{ examples: numbered(3) }], { batchSize: 3, seed: 0 });
  assert.equal(without.batchAt(0).groupIds, undefined);
});

test('sizes, seeds, weights and steps out of range are refused by name', () => {
  const sources = [{ examples: numbered(2) }];
  const make = (options: Partial<BatchOptions>, weight = 1) =>
    createBatches([{ examples: numbered(2), weight }], { batchSize: 2, seed: 0, ...options });
  assert.throws(() => make({ batchSize: 0 }), /expected batchSize to be an integer from 1/);
  assert.throws(() => make({ seed: -1 }), /expected seed .* received -1/);
  assert.throws(() => make({ seed: NaN }), RangeError);
  assert.throws(() => make({}, 0), /expected a source's weight to be > 0 and at most 1000/);
  assert.throws(() => make({}, Infinity), RangeError);
  assert.throws(() => createBatches([], { batchSize: 1, seed: 0 }), /number of examples/);
  const batches = createBatches(sources, { batchSize: 2, seed: 0 });
  assert.throws(() => batches.batchAt(-1), /expected step/);
  assert.throws(() => batches.batchAt(0.5), RangeError);
});
