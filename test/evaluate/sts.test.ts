import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { spearman } from '#dist/evaluate/metrics.js';
import { evaluateSts } from '#dist/evaluate/sts.js';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import type { StsData } from '#dist/evaluate/sts_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { bagOfWords, writeTables } from './sts_fixture.js';

async function load(context: TestContext): Promise<StsData> {
  const folder = await temporaryFolder(context);
  await writeTables(folder);
  return loadStsData({ folders: [folder], protocol: 'mteb' });
}

test('each distinct text is encoded once and every task scored over all its rows', async (context) => {
  const data = await load(context);
  const encoder = bagOfWords();
  const seen: number[] = [];
  const scores = await evaluateSts(encoder, data, {
    draws: 20,
    onProgress: (done) => seen.push(done),
  });
  const distinct = new Set(data.sets.flatMap((set) => [...set.left, ...set.right]));
  assert.equal(encoder.encoded.length, distinct.size);
  assert.deepEqual(new Set(encoder.encoded), distinct);
  assert.equal(scores.distinctTexts, distinct.size);
  assert.equal(seen.at(-1), distinct.size);
  for (const [i, task] of scores.tasks.entries()) {
    assert.equal(task.pairs, data.sets[i]!.gold.length);
    assert.ok(task.spearman > 0.2 && task.spearman < 1, `${task.name} ${task.spearman}`);
    assert.equal(
      task.subsets.reduce((sum, subset) => sum + subset.pairs, 0),
      task.pairs,
    );
  }
});

test('a task scores Spearman of gold against cosine, computed the long way', async (context) => {
  const data = await load(context);
  const set = data.sets[1]!;
  const encoder = bagOfWords();
  const scores = await evaluateSts(encoder, { ...data, sets: [set] }, { draws: 1 });
  const left = (await encoder.embed(set.left, {})).embeddings;
  const right = (await encoder.embed(set.right, {})).embeddings;
  const cosines = set.gold.map((_, row) => {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row * 16; i < row * 16 + 16; i++) {
      ab += left[i]! * right[i]!;
      aa += left[i]! ** 2;
      bb += right[i]! ** 2;
    }
    return ab / Math.sqrt(aa * bb);
  });
  assert.equal(scores.tasks[0]!.spearman, spearman(set.gold, cosines));
});

test('the same seed gives the same draws, whichever tasks run beside it', async (context) => {
  const data = await load(context);
  const all = await evaluateSts(bagOfWords(), data, { seed: 3, draws: 10 });
  const one = await evaluateSts(
    bagOfWords(),
    { ...data, sets: [data.sets[4]!] },
    { seed: 3, draws: 10 },
  );
  const other = await evaluateSts(bagOfWords(), data, { seed: 4, draws: 10 });
  assert.deepEqual(all.tasks[4]!.draws, one.tasks[0]!.draws);
  assert.notDeepEqual(all.tasks[4]!.draws, other.tasks[4]!.draws);
});

test('entries that are not finite count as 0 and are reported', async (context) => {
  const data = await load(context);
  const broken = bagOfWords();
  const scores = await evaluateSts(
    {
      embed: async (texts, options) => {
        const result = await broken.embed(texts, options);
        return { ...result, embeddings: result.embeddings.fill(NaN) };
      },
    },
    { ...data, sets: [data.sets[0]!] },
    { draws: 2 },
  );
  assert.equal(scores.nonFiniteEntries, scores.distinctTexts * 16);
  assert.deepEqual([scores.tasks[0]!.spearman, scores.tasks[0]!.finite], [0, false]);
});

test('an abort while texts are encoded stops before the next call', async (context) => {
  const data = await load(context);
  const controller = new AbortController();
  const encoder = bagOfWords();
  let calls = 0;
  const run = evaluateSts(
    {
      embed: (texts, options) => {
        assert.equal(options?.signal, controller.signal);
        calls++;
        controller.abort();
        return encoder.embed(texts, options);
      },
    },
    data,
    { signal: controller.signal },
  );
  await assert.rejects(run, { code: 'cancelled' });
  assert.equal(calls, 1);
});

test('pairs that share a text with the training data are left out of a second score', async (context) => {
  const data = await load(context);
  const [set, other] = data.sets;
  const seen = new Set([...set!.left.slice(0, 300), ...set!.right.slice(900, 1000)]);
  const picked = { ...data, sets: [set!, other!] };
  const isTrained = (text: string): boolean => seen.has(text);
  const scores = await evaluateSts(bagOfWords(), picked, { draws: 1, isTrained });
  const rows = [...set!.gold.keys()].filter(
    (row) => !seen.has(set!.left[row]!) && !seen.has(set!.right[row]!),
  );
  assert.ok(rows.length > 0 && rows.length < set!.gold.length);
  const unseen = {
    ...set!,
    gold: Float64Array.from(rows, (row) => set!.gold[row]!),
    left: rows.map((row) => set!.left[row]!),
    right: rows.map((row) => set!.right[row]!),
    subsets: rows.map((row) => set!.subsets[row]!),
  };
  const alone = await evaluateSts(bagOfWords(), { ...data, sets: [unseen] }, { draws: 1 });
  assert.deepEqual(scores.tasks[0]!.unseen, {
    spearman: alone.tasks[0]!.spearman,
    pairs: rows.length,
  });
  const whole = await evaluateSts(bagOfWords(), picked, { draws: 1 });
  assert.equal(scores.tasks[0]!.spearman, whole.tasks[0]!.spearman);
  assert.equal(whole.tasks[0]!.unseen, undefined);
});
