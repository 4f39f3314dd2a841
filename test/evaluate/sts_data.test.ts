import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import { stsTasks } from '#dist/evaluate/sts_tasks.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { tableHeader, tableOf, writeTables } from './sts_fixture.js';

async function writeTree(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

test('the protocol decides the rows of SICK-R and rejoins the words of a text', async (context) => {
  const folder = await temporaryFolder(context);
  await writeTables(folder);
  const mteb = await loadStsData({ folders: [folder], protocol: 'mteb' });
  const senteval = await loadStsData({ folders: [folder], protocol: 'senteval' });
  assert.deepEqual(
    mteb.sets.map((set) => [set.name, set.gold.length]),
    Object.entries(stsTasks).map(([name, task]) => [name, task.pairs.mteb]),
  );
  assert.equal(senteval.sets.at(-1)!.gold.length, 4927);
  assert.equal(mteb.sets[0]!.right[1], 'runs home blue man  1');
  assert.equal(senteval.sets[0]!.right[1], 'runs home blue man 1');
  assert.notEqual(mteb.fingerprint, senteval.fingerprint);
});

test('white space is what Python splits on', async (context) => {
  const folder = await temporaryFolder(context);
  const row = 'test\ts\t1\t a\u00a0b\u001cc\u0085d \t\ufeffe\u200bf\r';
  const rest = tableOf('sts13', 1499).slice(tableHeader.length + 1);
  await writeFile(join(folder, 'sts13.tsv'), `${tableHeader}\n${row}\n${rest}`);
  const options = { folders: [folder], tasks: ['sts13'] as const };
  const { sets } = await loadStsData({ ...options, protocol: 'senteval' });
  assert.equal(sets[0]!.left[0], 'a b c d');
  assert.equal(sets[0]!.right[0], '\ufeffe\u200bf');
});

test('the first folder that has a task wins', async (context) => {
  const first = await temporaryFolder(context);
  const second = await temporaryFolder(context);
  await writeFile(join(first, 'sts13.tsv'), tableOf('sts13').replaceAll('dog', 'cat'));
  await writeTables(second);
  const tasks = ['sts13', 'sts14'] as const;
  const { sets } = await loadStsData({ folders: [first, second], protocol: 'mteb', tasks });
  assert.ok(sets[0]!.left.some((text) => text.includes('cat')));
  assert.ok(sets[1]!.left.some((text) => text.includes('dog')));
});

test('a row count other than the published one is an error with file and both counts', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'stsb.tsv');
  await writeFile(path, `${tableOf('stsb', 1377)}test\ts\tfour\ta\tb\ntest\ts\t4\ta\n`);
  await assert.rejects(loadStsData({ folders: [folder], protocol: 'mteb', tasks: ['stsb'] }), {
    code: 'dataInvalid',
    message:
      `expected 1379 pairs of split test in ${path} for protocol mteb, received 1377; ` +
      `2 bad rows, the first on line 1379 of ${path}: expected a number, received "four"`,
  });
});

test('bad rows beside a full count are handed back by file, line, field and reason', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'sts16.tsv');
  const bad = Buffer.concat([
    Buffer.from(`${tableOf('sts16')}test\ts\tNaN\ta\tb\ntest\ts\t1e999\ta\tb\ntest\ts\t1\ta\n`),
    Buffer.from([0x74, 0xff, 0x0a]),
  ]);
  await writeFile(path, bad);
  const data = await loadStsData({ folders: [folder], protocol: 'mteb', tasks: ['sts16'] });
  assert.deepEqual(data.badRows, [
    { file: path, line: 1188, field: 'score', reason: 'expected a number, received "NaN"' },
    { file: path, line: 1189, field: 'score', reason: 'expected a number, received "1e999"' },
    { file: path, line: 1190, field: null, reason: 'expected 5 fields between tabs, received 4' },
    { file: path, line: 1191, field: null, reason: 'expected UTF-8, received other bytes' },
  ]);
});

test('a missing task, a wrong header and an empty file are named', async (context) => {
  const folder = await temporaryFolder(context);
  const load = (task: 'sts12' | 'sts13' | 'sts14') =>
    loadStsData({ folders: [folder], protocol: 'mteb', tasks: [task] });
  await assert.rejects(load('sts12'), { code: 'fileNotFound', message: /sts12\.tsv or SentEval/ });
  await writeFile(join(folder, 'sts13.tsv'), 'a\tb\n');
  await assert.rejects(load('sts13'), { code: 'dataInvalid', message: /header .* line 1 of/ });
  await writeFile(join(folder, 'sts14.tsv'), '');
  await assert.rejects(load('sts14'), { code: 'dataInvalid', message: /received ""/ });
});

test("SentEval's folders are read under their names, wherever --data points", async (context) => {
  const root = await temporaryFolder(context);
  const pairs = (count: number): string =>
    Array.from({ length: count }, (_, i) => `a ${i}\tb ${i}\n`).join('');
  const grades = (count: number): string => '1.5\n'.repeat(count);
  const bench = (count: number): string =>
    'g\tf\t2012\t7\t2.5\tone "x\ttwo\tlicence\n'.repeat(count);
  const sick = (count: number): string =>
    `pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n${'1\ta\tb\t3.5\tNEUTRAL\n'.repeat(count)}`;
  await writeTree(root, {
    'STS/STS13-en-test/STS.input.headlines.txt': pairs(1499),
    'STS/STS13-en-test/STS.gs.headlines.txt': grades(1499),
    'STS/STS13-en-test/STS.input.surprise.OnWN.txt': pairs(3),
    'STS/STS13-en-test/STS.gs.surprise.OnWN.txt': '\n4\n\n',
    'STS/STS13-en-test/STS.input.SMT.txt': pairs(5),
    'STS/STS13-en-test/STS.gs.SMT.txt': grades(5),
    'STS/STS16-en-test/gold/STS2016.input.answer-answer.txt': pairs(1186),
    'STS/STS16-en-test/gold/STS2016.gs.answer-answer.txt': grades(1186),
    'STS/STSBenchmark/sts-train.csv': bench(3),
    'STS/STSBenchmark/sts-dev.csv': bench(2),
    'STS/STSBenchmark/sts-test.csv': bench(1379),
    'SICK/SICK_train.txt': sick(4500),
    'SICK/SICK_trial.txt': sick(500),
    'SICK/SICK_test_annotated.txt': sick(4927),
  });
  const tasks = ['sts13', 'sts16', 'stsb', 'sickr'] as const;
  for (const folder of [root, join(root, 'STS')]) {
    const { sets } = await loadStsData({ folders: [folder], protocol: 'mteb', tasks });
    const [sts13, sts16, stsb, sickr] = sets;
    assert.deepEqual([...new Set(sts13!.subsets)], ['headlines', 'OnWN']);
    assert.deepEqual([sts13!.gold.at(-1), sts13!.left.at(-1)], [4, 'a 1']);
    assert.equal(sts16!.subsets[0], 'answer-answer');
    assert.deepEqual([stsb!.left[0], stsb!.right[0], stsb!.gold[0]], ['one "x', 'two', 2.5]);
    assert.deepEqual([sickr!.gold.length, sickr!.gold[0]], [9927, 3.5]);
  }
  const { sets } = await loadStsData({ folders: [root], protocol: 'senteval', tasks });
  assert.equal(sets[3]!.gold.length, 4927);
});

test('both shared folders load under both protocols', { skip: skipWithoutShared }, async () => {
  const plain = join(sharedDir!, 'data/sts');
  const tokenised = join(sharedDir!, 'data/sts_senteval');
  for (const folders of [[plain], [tokenised, plain]]) {
    for (const protocol of ['mteb', 'senteval'] as const) {
      const data = await loadStsData({ folders, protocol });
      assert.equal(data.sets.length, 7);
      assert.deepEqual(data.badRows, []);
    }
  }
});
