import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { readDevSets } from '#dist/train/dev_sets.js';
import { openOverlapScan } from '#dist/train/overlap_scan.js';
import type { RunOverlap } from '#dist/train/overlap_scan.js';
import { trainWith } from '#dist/train/train.js';
import type { RunEvent, TrainOptions } from '#dist/train/train.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';
import { openLinear, trainingScene } from './training_scene.js';

const header = 'split\tsubset\tscore\tsentence1\tsentence2';
const isStsTest = /^(?:sts1[2-6]|stsb|sickr)$/;

/** As many test pairs as were published, each text another. */
function publishedRows(name: string, pairs: number): string[] {
  const words = (i: number, side: string): string => `${side} ${name} sentence number ${i * 7919}`;
  return Array.from(
    { length: pairs },
    (_, i) => `test\tx\t${i % 6}\t${words(i, 'left')}\t${words(i, 'right')}`,
  );
}

async function overlapOf(options: TrainOptions, output: string): Promise<RunOverlap> {
  const events: RunEvent[] = [];
  await trainWith(openLinear, {
    ...options,
    output,
    maxSteps: 1,
    onEvent: (event) => events.push(event),
  });
  const stored = JSON.parse(await readFile(join(output, 'overlap.json'), 'utf8')) as RunOverlap;
  const told = events.find((event) => event.kind === 'overlap');
  assert.deepEqual(told?.report, stored);
  const compared = stored.sets.map(({ name }) => name).filter((name) => isStsTest.test(name));
  const left = stored.notCompared.map(({ name }) => name).filter((name) => isStsTest.test(name));
  assert.equal(new Set([...compared, ...left]).size, 7, 'each test set is compared or named');
  return stored;
}

test('a damaged published set is named and alone left out of the comparison', async (context) => {
  const { options, data, dev, output } = await trainingScene(context);
  const folder = join(dev, '..');
  const [, first] = (await readFile(data, 'utf8')).split('\n');
  const whole = publishedRows('sts16', 1186);
  const shared = `test\tx\t1\t${first!.split('\t')[0]!.toUpperCase()}\tnothing of it`;
  await writeFile(join(folder, 'sts16.tsv'), [header, shared, ...whole.slice(1), ''].join('\n'));
  const broken = publishedRows('sts12', 3108).with(3, 'test\tx\tno number\ta\tb');
  await writeFile(join(folder, 'sts12.tsv'), [header, ...broken, ''].join('\n'));
  for (const given of [folder, dev]) {
    const found = await overlapOf({ ...options, dev: given }, `${output}-${basename(given)}`);
    const sets = new Map(found.sets.map(({ name, exact }) => [name, exact]));
    assert.deepEqual([...sets.keys()].sort(), ['sts16', 'stsb-dev'], given);
    assert.equal(sets.get('sts16'), 1);
    const problems = new Map(found.notCompared.map(({ name, problem }) => [name, problem]));
    assert.match(
      problems.get('sts12')!,
      /expected 3108 pairs .*sts12\.tsv .*received 3107; 1 bad rows, the first on line 5 of .*sts12/,
    );
    assert.match(problems.get('stsb')!, /expected 1379 pairs of split test in .*stsb\.tsv/);
    assert.equal(problems.get('sts13'), null);
  }
});

test('a dev split with a row that cannot be read is named beside another dev file', async (context) => {
  const { options, dev, output } = await trainingScene(context);
  const folder = `${output}-beside`;
  await mkdir(folder);
  const pairs = join(folder, 'pairs.tsv');
  await writeFile(pairs, await readFile(dev));
  await writeFile(join(folder, 'stsb.tsv'), [header, 'dev\tx\tno number\ta\tb', ''].join('\n'));
  const found = await overlapOf({ ...options, dev: pairs }, `${output}-1`);
  const problem = found.notCompared.find(({ name }) => name === 'stsb-dev')?.problem;
  assert.match(problem ?? '', /stsb\.tsv, line 2: /);
});

test('rows are left out by the sets that a run began with', async (context) => {
  const { options, data, dev, output } = await trainingScene(context);
  const file = join(dev, '..', 'sts16.tsv');
  const [, first, second] = (await readFile(data, 'utf8')).split('\n');
  const write = (row: string): Promise<void> => {
    const shared = `test\tx\t1\t${row.split('\t')[0]}\tnothing of it`;
    const rows = publishedRows('sts16', 1186).with(0, shared);
    return writeFile(file, [header, ...rows, ''].join('\n'));
  };
  await write(first!);
  const run = { ...options, output, maxSteps: 1, excludeOverlap: true };
  const { data: counts } = await trainWith(openLinear, run);
  assert.equal(counts.dropped, 1);
  await write(second!);
  await assert.rejects(trainWith(openLinear, run), {
    code: 'outputExists',
    message: /data\.comparedWith\.sts16 was/,
  });
});

test('a dev file of its own, or no set at all: what was not compared is said', async (context) => {
  const { options, dev, output } = await trainingScene(context);
  const folder = `${output}-pairs`;
  await mkdir(folder);
  const pairs = join(folder, 'pairs.tsv');
  await writeFile(pairs, await readFile(dev));
  const found = await overlapOf({ ...options, dev: pairs }, `${output}-1`);
  assert.deepEqual(
    found.sets.map(({ name }) => name),
    ['pairs'],
  );
  assert.ok(found.notCompared.every(({ problem }) => problem === null));
  const none = await overlapOf({ ...options, dev: undefined }, `${output}-2`);
  assert.deepEqual([none.sets, none.overlapping, none.notCompared.length], [[], 0, 7]);
  const card = await readFile(join(`${output}-2`, 'card.md'), 'utf8');
  assert.match(card, /not compared with any evaluation set/);
  const report = await readFile(join(`${output}-2`, 'report.html'), 'utf8');
  assert.match(report, /They were not compared with any evaluation set\./);
  await assert.rejects(
    trainWith(openLinear, { ...options, dev: undefined, excludeOverlap: true }),
    new RangeError('expected dev or test sets to exclude the overlap with, received none'),
  );
});

test(
  'the published sets are all compared, given by their folder or by a file of it',
  { skip: skipWithoutShared },
  async () => {
    const sts = join(sharedDir!, 'data/sts');
    for (const given of [sts, join(sts, 'stsb.tsv')]) {
      const dev = await readDevSets(given, ['stsb-dev']);
      const { compared, report } = await openOverlapScan(dev, undefined, undefined);
      assert.deepEqual(report().notCompared, []);
      const names = Object.keys(compared);
      assert.deepEqual([names.length, names[0]], [8, 'stsb-dev']);
    }
  },
);
