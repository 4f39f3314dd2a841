import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StsReport } from '#dist/evaluate/report.js';
import { tableOf, writeTables } from '../evaluate/sts_fixture.js';
import { temporaryFolder } from '../temporary_folder.js';
import { goldenModel } from './golden_model.js';
import { runSimgpt } from './run_simgpt.js';

const model = ['--model', goldenModel, '--pooling', 'mean'];
const sts = ['evaluate', 'sts', '--data', 'sts', '--draws', '50', ...model];

test('--json has the documented shape and is the same bytes twice', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeTables(join(cwd, 'sts'));
  const args = [...sts, '--json', '--protocol', 'senteval', '--seed', '7'];
  const { code, stdout, stderr } = await runSimgpt(args, { cwd });
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout) as StsReport;
  assert.deepEqual(
    report.tasks.map(({ name, pairs }) => [name, pairs]),
    Object.entries({
      sts12: 3108,
      sts13: 1500,
      sts14: 3750,
      sts15: 3000,
      sts16: 1186,
      stsb: 1379,
      sickr: 4927,
    }),
  );
  const mean = report.tasks.reduce((sum, task) => sum + task.spearman, 0) / 7;
  assert.ok(Math.abs(report.average - mean) < 1e-6);
  assert.equal(report.tasks[0]!.spearman, Number(report.tasks[0]!.spearman.toFixed(2)));
  assert.deepEqual(
    [report.protocol, report.model, report.bootstrap.seed],
    ['senteval', 'bert-erf', 7],
  );
  assert.deepEqual(report.settings, {
    revision: null,
    pooling: 'mean',
    head: 'none',
    normalize: false,
    maxTokens: 40,
    precision: 'float32',
    prompt: null,
    dimensions: 24,
  });
  assert.equal((await runSimgpt(args, { cwd })).stdout, stdout);
});

test('a table, and a model compared with itself differs by nothing', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeTables(join(cwd, 'sts'));
  const compare = ['--compare', goldenModel, '--compare-pooling', 'mean', '--tasks', 'sts13,sts16'];
  const { code, stdout, stderr } = await runSimgpt([...sts, ...compare], { cwd });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^STS, protocol mteb, Spearman x 100\n/);
  assert.match(stdout, /^STS13 +1,500 +-?\d+\.\d\d .* 0\.00 +0\.00 to 0\.00$/m);
  assert.match(stdout, /^average +2,686 /m);
  assert.doesNotMatch(stdout, /STS12/);
});

test('what a model was trained on is left out of a second score, counted by task', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeTables(join(cwd, 'sts'));
  const table = tableOf('sts16').split('\n');
  const [, , , first, second] = table[1]!.split('\t');
  const row = { anchor: `  ${first!.toUpperCase()}`, positive: second };
  await writeFile(join(cwd, 'nli.jsonl'), `${JSON.stringify(row)}\n`);
  const args = [...sts, '--tasks', 'sts13,sts16', '--training', 'nli.jsonl'];
  const { code, stdout, stderr } = await runSimgpt(args, { cwd });
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /\nwithout pairs that share a text with the training data: STS13 -?[\d.]+ \(\d+ of 1,500 pairs less\), STS16 -?[\d.]+ \([1-9]\d* of 1,186 pairs less\); average -?[\d.]+\n/,
  );
  const json = await runSimgpt([...args, '--json'], { cwd });
  const report = JSON.parse(json.stdout) as StsReport;
  assert.ok(report.tasks[1]!.unseen!.pairs < 1186);
  assert.equal(typeof report.averageUnseen, 'number');
});

test('a bad row beside the full count ends in 3 and a quarantine file', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeTables(join(cwd, 'sts'));
  await writeFile(join(cwd, 'sts/sts16.tsv'), `${tableOf('sts16')}test\tx\tbad\ta\tb\n`);
  const { code, stdout, stderr } = await runSimgpt([...sts, '--tasks', 'sts16', '--csv'], { cwd });
  assert.equal(code, 3, stderr);
  assert.match(stdout, /^bert-erf,,mean,none,false,40,float32,,24,mteb,sts16,1186,/m);
  const [row] = (await readFile(join(cwd, 'sts.quarantine.jsonl'), 'utf8')).split('\n');
  assert.deepEqual(JSON.parse(row!), {
    file: 'sts/sts16.tsv',
    line: 1188,
    field: 'score',
    reason: 'expected a number, received "bad"',
  });
});
