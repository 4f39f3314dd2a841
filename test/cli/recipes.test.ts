import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: undefined };
const data = (name: string) => join(repoRoot, 'data', name);
const rehearsal = ['--provider', 'rehearsal'];

test('a rehearsal needs no key, marks every row, and is the same again', async (t) => {
  const cwd = await temporaryFolder(t);
  const args = [
    'generate',
    'simgpt',
    ...rehearsal,
    '--input',
    data('sentences.txt'),
    '--limit',
    '30',
  ];
  const first = await runSimgpt([...args, '--output', 'one'], { cwd, env });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^30 rows of 30 in one\/data\.jsonl\n/);
  assert.match(first.stderr, /written by the rehearsal, by rule and without a model/);
  await runSimgpt([...args, '--output', 'two', '--concurrency', '1'], { cwd, env });
  const rows = await readFile(join(cwd, 'one/data.jsonl'), 'utf8');
  assert.equal(await readFile(join(cwd, 'two/data.jsonl'), 'utf8'), rows);
  for (const line of rows.trim().split('\n')) {
    const { provenance } = JSON.parse(line) as { provenance: { model: string }[] };
    assert.ok(provenance.every(({ model }) => model === 'rehearsal'));
  }
  const named = await runSimgpt([...args, '--output', 'x', '--llm', 'gpt-9'], { cwd, env });
  assert.deepEqual([named.code, named.stdout], [2, '']);
  assert.match(named.stderr, /expected no --llm beside --provider rehearsal, received gpt-9/);
});

test('every recipe can be rehearsed to its end', async (t) => {
  const cwd = await temporaryFolder(t);
  const texts = ['--input', data('captions.txt'), '--limit', '12'];
  const runs: Readonly<Record<string, readonly string[]>> = {
    simgpt: [...texts, '--set', 'kind=captions'],
    'syncse-partial': texts,
    'syncse-scratch': ['--set', 'anchors=20'],
    multicsr: texts,
    e5: ['--set', 'examples=24'],
    qwen3: texts,
    grade: ['--input', 'simgpt/data.jsonl'],
    label: [
      '--input',
      data('pairs.tsv'),
      '--limit',
      '12',
      '--columns',
      'anchor=sentence1',
      '--columns',
      'positive=sentence2',
    ],
    judge: ['--input', 'simgpt/data.jsonl'],
  };
  for (const [recipe, args] of Object.entries(runs)) {
    const command = ['generate', recipe, ...rehearsal, '--output', recipe, ...args];
    const { code, stderr } = await runSimgpt(command, { cwd, env });
    assert.ok(code === 0 || code === 3, `${recipe}: ${stderr}`);
    const rows = Number(/^(\d+) rows of/m.exec(stderr)?.[1]);
    assert.ok(rows >= 6, `${recipe}: ${stderr}`);
    const verified = await runSimgpt(['verify', recipe], { cwd });
    assert.equal(verified.code, 0, `${recipe}: ${verified.stdout}`);
  }
});

test('label prints its agreement with gold pairs before the large run, and stops below a gate', async (t) => {
  const cwd = await temporaryFolder(t);
  const columns = ['anchor=sentence1', 'positive=sentence2', 'positiveScore=score'];
  const input = ['--input', data('pairs.tsv'), '--gold', data('pairs.tsv'), '--limit', '10'];
  const named = columns.flatMap((column) => ['--columns', column]);
  const args = ['label', ...rehearsal, '--output', 'run', ...input, ...named];
  const passed = await runSimgpt([...args, '--min-agreement', '0.3'], { cwd, env });
  assert.equal(passed.code, 0, passed.stderr);
  const agreement = passed.stderr.indexOf('agreement with 210 gold pairs: Spearman 0.');
  assert.ok(agreement > 0 && agreement < passed.stderr.indexOf('10 rows of 10 in run/data.jsonl'));
  const failed = await runSimgpt([...args, '--min-agreement', '0.99', '--seed', '1'], { cwd, env });
  assert.equal(failed.code, 4, failed.stderr);
  assert.match(failed.stderr, /expected a Spearman of 0\.99 or more/);
});

const triple = (positiveScore: number | undefined, negativeScore: number, n: number) =>
  JSON.stringify({
    anchor: `a${n}`,
    positive: `p${n}`,
    hardNegatives: [`n${n}`],
    positiveScore,
    negativeScore,
    note: 'kept',
  });

test('curate counts the survivors of every rule and keeps those of one, lines as they were', async (t) => {
  const cwd = await temporaryFolder(t);
  const lines = [
    triple(5, 0, 1),
    triple(3.5, 3, 2),
    triple(2, 4, 3),
    triple(3, 3, 4),
    triple(undefined, 1, 5),
  ];
  await writeFile(join(cwd, 'graded.jsonl'), `${lines.join('\n')}\n`);
  const command = ['curate', 'graded.jsonl', '--output', 'kept.jsonl'];
  const kept = await runSimgpt(command, { cwd });
  assert.equal(kept.code, 3, kept.stderr);
  assert.match(
    kept.stdout,
    /^default {3}positive >= 3, negative <= 3, positive >= negative \+ 1 +1 +25\.0 %$/m,
  );
  assert.match(
    kept.stdout,
    /^released {2}positive >= 3, negative <= 3, positive != negative +2 +50\.0 %$/m,
  );
  assert.match(kept.stdout, /1 of 4 triples kept in kept\.jsonl/);
  assert.equal(await readFile(join(cwd, 'kept.jsonl'), 'utf8'), `${lines[0]}\n`);
  const bad = await readFile(join(cwd, 'kept.jsonl.quarantine.jsonl'), 'utf8');
  assert.match(bad, /"line":5,"field":"positiveScore"/);
  const released = await runSimgpt([...command, '--rule', 'released', '--pre-filter', '--json'], {
    cwd,
  });
  const found = JSON.parse(released.stdout) as Record<string, unknown>;
  assert.deepEqual([found['kept'], found['swapped'], found['preFiltered']], [3, 1, 0]);
  // Triple 3 has 4 and 2 in its new roles; 3 and 3 are equal, which the released gap refuses.
  const rows = (await readFile(join(cwd, 'kept.jsonl'), 'utf8')).trim().split('\n');
  assert.equal(rows.length, 3);
  assert.match(rows[2]!, /"positive":"n3","positiveScore":4/);
});

test('grade prints what each curation rule would leave', async (t) => {
  const cwd = await temporaryFolder(t);
  const rows = [1, 2, 3].map((n) =>
    JSON.stringify({
      sent0: `A red dog sleeps ${n}.`,
      sent1: `A red dog sleeps here ${n}.`,
      hard_neg: `Prices rose ${n}.`,
    }),
  );
  await writeFile(join(cwd, 'triples.jsonl'), rows.join('\n'));
  const args = ['grade', ...rehearsal, '--input', 'triples.jsonl', '--output', 'graded'];
  const { code, stderr } = await runSimgpt(args, { cwd, env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^default {3}positive >= 3, .* 3 +100\.0 %$/m);
});

test('E5 without filters of ours keeps what is taken for a refusal, and tells what a limit buys', async (t) => {
  const cwd = await temporaryFolder(t);
  // Every answer of the rehearsal is a refusal by this file of phrases.
  await mkdir(join(cwd, 'mine/refusals'), { recursive: true });
  const phrases = { language: 'en', openings: [], mentions: [], certain: ['s1'] };
  await writeFile(join(cwd, 'mine/refusals/en.json'), JSON.stringify(phrases));
  const args = ['generate', 'e5', ...rehearsal, '--set', 'groups=sts', '--no-report'];
  const run = [...args, '--templates', 'mine', '--set', 'examples=6', '--output', 'run'];
  const ours = await runSimgpt(run, { cwd, env });
  assert.equal(ours.code, 3, ours.stderr);
  assert.match(ours.stderr, /^0 rows of 6 in run\/data\.jsonl\ndropped.*refusal 6\n/);
  const released = await runSimgpt([...run, '--set', 'filters=released'], { cwd, env });
  assert.match(released.stderr, /^[56] rows of 6 in run\/data\.jsonl\n/);
  const limited = await runSimgpt([...args, '--limit', '2', '--output', 'few'], { cwd, env });
  assert.match(limited.stderr, /first 2 rows of a run of 1000: .*\(--set examples=2 asks for 2/);
});
