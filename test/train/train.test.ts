import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import { SimgptError } from '#dist/errors.js';
import { train, trainWith } from '#dist/train/train.js';
import type { RunEvent, TrainOptions } from '#dist/train/train.js';
import { readTrainingData } from '#dist/train/training_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { openLinear, trainingScene } from './training_scene.js';

const isError = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof SimgptError && error.code === code && message.test(error.message);

test('a run folder holds recipe, fingerprints, metrics, model, card and report', async (context) => {
  const { options, output } = await trainingScene(context);
  const events: RunEvent[] = [];
  const result = await trainWith(openLinear, {
    ...options,
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual((await readdir(output)).sort(), [
    'card.md',
    'checkpoints',
    'done.json',
    'evaluation.json',
    'metrics.jsonl',
    'model',
    'models',
    'overlap.json',
    'report.html',
    'run.json',
    'timings.jsonl',
  ]);
  const plan = JSON.parse(await readFile(join(output, 'run.json'), 'utf8')) as {
    recipe: { name: string; settings: Record<string, unknown>; overridden: string[] };
    data: { files: { name: string; bytes: number; sha256: string; rows: number }[] };
    model: { files: { name: string; bytes: number; sha256: string }[] };
    totalSteps: number;
  };
  assert.equal(plan.totalSteps, 12);
  assert.equal(plan.recipe.name, 'simcse-sup');
  assert.equal(plan.recipe.settings['learningRate'], 5e-5);
  assert.deepEqual(plan.recipe.overridden, ['batchSize', 'epochs', 'evaluateEvery', 'pooling']);
  const [file] = plan.data.files;
  assert.deepEqual([file?.name, file?.rows, file?.sha256.length], ['triples.tsv', 30, 64]);
  const evaluation = JSON.parse(await readFile(join(output, 'evaluation.json'), 'utf8')) as {
    dev: { name: string; pairs: number; before: { histogram: number[] } }[];
  };
  assert.deepEqual([evaluation.dev[0]?.name, evaluation.dev[0]?.pairs], ['stsb-dev', 20]);
  assert.equal(
    evaluation.dev[0]?.before.histogram.reduce((sum, count) => sum + count, 0),
    20,
  );
  const card = await readFile(join(output, 'model/README.md'), 'utf8');
  assert.equal(card, await readFile(join(output, 'card.md'), 'utf8'));
  assert.match(card, /base_model: "bert-erf"/);
  const [weights] = plan.model.files.filter(({ name }) => name.endsWith('.safetensors'));
  const base = `| base | bert-erf | not known | ${weights!.name} | ${weights!.bytes} |`;
  assert.ok(card.includes(`${base} \`${weights!.sha256}\` |`), card);
  assert.ok(card.includes(file!.sha256) && card.includes('| learningRate | `0.00005` | recipe |'));
  assert.match(await readFile(join(output, 'report.html'), 'utf8'), /<svg[^]*Alignment/);
  const loaded = await readCheckpoint(join(output, 'model'));
  assert.deepEqual(loaded.pooling, ['mean']);
  assert.deepEqual(result.data, { read: 30, used: 30, bad: 0, duplicates: 0, dropped: 0 });
  const kinds = new Set(events.map(({ kind }) => kind));
  assert.deepEqual([...kinds].sort(), ['data', 'evaluation', 'overlap', 'run', 'step', 'timing']);
  for (const text of [JSON.stringify(plan), card]) {
    assert.ok(!text.includes(output.slice(0, 12)), 'no path of this machine is written down');
  }
});

test('a finished run says so and does nothing; changed data or recipe is refused', async (context) => {
  const { options, data, output } = await trainingScene(context);
  const first = await trainWith(openLinear, options);
  const before = await readFile(join(output, 'timings.jsonl'));
  const kinds: string[] = [];
  const again = await trainWith(openLinear, {
    ...options,
    onEvent: ({ kind }) => kinds.push(kind),
  });
  assert.deepEqual(kinds, ['data', 'alreadyDone']);
  assert.deepEqual(again.runs, first.runs);
  assert.deepEqual(await readFile(join(output, 'timings.jsonl')), before);
  const faster = { ...options, settings: { ...options.settings, learningRate: 1e-3 } };
  await assert.rejects(
    trainWith(openLinear, faster),
    isError('outputExists', /recipe\.overridden was .*"pooling"\], is .*"learningRate"/),
  );
  await assert.rejects(
    trainWith(openLinear, { ...options, maxSteps: 2 }),
    isError('outputExists', /maxSteps was absent, is 2 now; repeat the first command/),
  );
  // Chunks of another size sum in another order: other bits.
  await assert.rejects(
    trainWith(openLinear, { ...options, chunkTokens: 64 }),
    isError('outputExists', /chunkTokens was absent, is 64 now; repeat the first command/),
  );
  await assert.rejects(
    trainWith(openLinear, { ...options, chunkTokens: 0 }),
    new RangeError('expected chunkTokens to be an integer > 0, received 0'),
  );
  await appendFile(data, 'a new\trow of\ttexts\n');
  await assert.rejects(
    trainWith(openLinear, options),
    isError('outputExists', /same recipe, model and data: data\.counts\.read was 30, is 31 now/),
  );
});

test('stopped while the selected model is scored, a run says so and goes on', async (context) => {
  const { options, output } = await trainingScene(context);
  const controller = new AbortController();
  const stopped = trainWith(openLinear, {
    ...options,
    maxSteps: 2,
    signal: controller.signal,
    onEvent: (event) => {
      if (event.kind === 'evaluation' && event.step === 2) controller.abort(new Error('enough'));
    },
  });
  const message =
    /^stopped while the selected model is scored: enough; the same command goes on from/;
  await assert.rejects(stopped, isError('cancelled', message));
  const { runs } = await trainWith(openLinear, { ...options, maxSteps: 2 });
  assert.equal(runs[0]?.steps, 2);
  await readFile(join(output, 'report.html'));
});

test('other columns of the same bytes are other data', async (context) => {
  const { options, data, output } = await trainingScene(context);
  const read = (positive: string, hardNegative: string) => ({
    ...options,
    maxSteps: 1,
    data: [{ path: data, columns: { positive, hardNegatives: [hardNegative] } }],
  });
  await trainWith(openLinear, read('sent1', 'hard_neg'));
  await assert.rejects(
    trainWith(openLinear, read('hard_neg', 'sent1')),
    isError('outputExists', /data\.files\.0\.reading\.columns\.hardNegatives\.0 was "hard_neg"/),
  );
  const plan = await readFile(join(output, 'run.json'), 'utf8');
  assert.match(
    plan,
    /"reading":\{"columns":\{"hardNegatives":\["hard_neg"\],"positive":"sent1"\}\}/,
  );
});

test('several seeds: a folder each, their mean and spread', async (context) => {
  const { options, output } = await trainingScene(context);
  const settings = { ...options.settings, seeds: [3, 4, 5] };
  const { runs, summary } = await trainWith(openLinear, { ...options, settings });
  assert.deepEqual((await readdir(output)).sort(), [
    'overlap.json',
    'report.html',
    'run.json',
    'seed-3',
    'seed-4',
    'seed-5',
    'seeds.json',
  ]);
  const scores = runs.map(({ selected }) => selected.score!);
  const mean = (scores[0]! + scores[1]! + scores[2]!) / 3;
  assert.ok(Math.abs(summary!.devScore!.mean - mean) < 1e-12);
  assert.deepEqual(summary!.devScore!.max, Math.max(...scores));
  assert.ok(summary!.devScore!.sd! >= 0);
  const page = await readFile(join(output, 'report.html'), 'utf8');
  for (const seed of settings.seeds) {
    assert.ok(page.includes(`<a href="seed-${seed}/report.html">`));
    await readFile(join(output, `seed-${seed}/report.html`));
  }
  const losses = new Set<string>();
  for (const { folder } of runs) losses.add(await readFile(join(folder, 'metrics.jsonl'), 'utf8'));
  assert.equal(losses.size, 3, 'seeds differ');
});

test('several seeds: a folder of other seeds, other data or other files is refused', async (context) => {
  const { options, data, output } = await trainingScene(context);
  const withSeeds = (seeds: number[]) => ({
    ...options,
    maxSteps: 1,
    settings: { ...options.settings, seeds },
  });
  await trainWith(openLinear, withSeeds([1, 2]));
  const files = () =>
    Promise.all(['overlap.json', 'seeds.json'].map((name) => readFile(join(output, name), 'utf8')));
  const before = await files();
  const again = await trainWith(openLinear, withSeeds([1, 2]));
  assert.equal(again.runs.length, 2);
  await assert.rejects(
    trainWith(openLinear, withSeeds([3, 4])),
    isError('outputExists', /settings\.seeds\.0 was 1, is 3 now; repeat the first command/),
  );
  await assert.rejects(
    trainWith(openLinear, withSeeds([1])),
    isError('outputExists', /settings\.seeds was \[1,2\], is \[1\] now/),
  );
  // A text of the dev set: what an earlier report did not find.
  await appendFile(data, 'a man plays one\tlong long game\tlong word\n');
  await assert.rejects(
    trainWith(openLinear, withSeeds([1, 2])),
    isError('outputExists', /data\.counts\.read was 30, is 31 now/),
  );
  assert.deepEqual(await files(), before);
  assert.deepEqual((await readdir(output)).filter((name) => name.startsWith('seed-')).length, 2);
  const foreign = join(output, '../foreign');
  await mkdir(foreign);
  await writeFile(join(foreign, 'overlap.json'), '{}');
  await assert.rejects(
    trainWith(openLinear, { ...withSeeds([1, 2]), output: foreign }),
    isError('outputExists', /expected .*foreign to be a run of this command, .* found other files/),
  );
  assert.deepEqual(await readdir(foreign), ['overlap.json']);
});

test('bad rows are named in a quarantine file, duplicates counted or left out', async (context) => {
  const { options, data, output } = await trainingScene(context);
  await appendFile(data, 'a man one one\tthe man one one\tno woman one one\nonly one\t\t\n');
  const { data: counts } = await trainWith(openLinear, { ...options, maxSteps: 1 });
  assert.deepEqual(counts, { read: 32, used: 31, bad: 1, duplicates: 1, dropped: 0 });
  const quarantine = await readFile(join(output, 'data.quarantine.jsonl'), 'utf8');
  assert.match(
    quarantine,
    /"line":33,"field":"sent1","reason":"expected a text, received an empty/,
  );
  const other = { ...options, output: `${output}2`, maxSteps: 1, dedupe: true };
  const dropped = await trainWith(openLinear, other);
  assert.deepEqual(dropped.data, { read: 32, used: 30, bad: 1, duplicates: 1, dropped: 1 });
  await assert.rejects(
    trainWith(openLinear, { ...options, output: `${output}3`, strict: true }),
    isError('dataInvalid', /triples\.tsv, line 33, field sent1: expected a text/),
  );
  await writeFile(data, 'sent0\tsent1\thard_neg\na\t\tc\n');
  await assert.rejects(
    trainWith(openLinear, { ...options, output: `${output}4` }),
    isError(
      'dataInvalid',
      /rows to train on in triples\.tsv, found none; .*triples\.tsv, line 2, field sent1: expected a/,
    ),
  );
});

test('models are never chosen by a test split', async (context) => {
  const { options, dev } = await trainingScene(context);
  const text = await readFile(dev, 'utf8');
  await writeFile(dev, text.replaceAll('\ndev\t', '\ntest\t'));
  await assert.rejects(
    trainWith(openLinear, options),
    isError('dataInvalid', /split dev in .*received 0; models are never chosen by a test split/),
  );
  await assert.rejects(
    trainWith(openLinear, { ...options, dev }),
    isError('dataInvalid', /split dev or trial or validation/),
  );
});

test("a recipe of triples takes no pairs; sentences need the anchor's column alone", async (context) => {
  const { options, data, output } = await trainingScene(context);
  await writeFile(data, 'sent0\tsent1\na\tb\n');
  await assert.rejects(
    trainWith(openLinear, options),
    isError(
      'dataInvalid',
      /found none; .*, line 2, field hardNegatives: expected a hard negative, as the recipe/,
    ),
  );
  const unsupervised = { ...options, recipe: 'simcse-unsup', output: `${output}2` };
  const { data: counts } = await trainWith(openLinear, { ...unsupervised, dev: undefined });
  assert.equal(counts.used, 1);
});

test('rows that share a text with an evaluation set are counted, or left out', async (context) => {
  const { options, data, output } = await trainingScene(context);
  await appendFile(data, 'A  MAN plays one\tlong long long game\tlong long long word\n');
  const small = { ...options, maxSteps: 1 };
  const counted = await trainWith(openLinear, small);
  assert.deepEqual([counted.data.used, counted.data.dropped], [31, 0]);
  const overlap = JSON.parse(await readFile(join(output, 'overlap.json'), 'utf8')) as {
    overlapping: number;
    matches: { kind: string; evaluationText: string; sets: string[] }[];
  };
  const exact = overlap.matches.filter(({ kind }) => kind === 'exact');
  assert.deepEqual(
    exact.map(({ evaluationText, sets }) => [evaluationText, sets]),
    [['a man plays one', ['stsb-dev']]],
  );
  const without = { ...small, output: `${output}2`, excludeOverlap: true };
  const left = await trainWith(openLinear, without);
  assert.ok(overlap.overlapping >= 1 && overlap.overlapping < 31);
  const { used, dropped } = left.data;
  assert.deepEqual([used, dropped], [31 - overlap.overlapping, overlap.overlapping]);
});

test('more records than the heap holds are refused by a sentence, not by the engine', async (context) => {
  const path = join(await temporaryFolder(context), 'large.txt');
  const text = Array.from({ length: 70_000 }, (_, i) => `${i} ${'words '.repeat(250)}`).join('\n');
  await writeFile(path, text);
  const module = new URL(import.meta.resolve('#dist/train/training_data.js')).href;
  const script =
    `const settings = { data: 'sentences', losses: [] };` +
    `const { readTrainingData } = await import(${JSON.stringify(module)});` +
    `await readTrainingData({ files: [{ path: ${JSON.stringify(path)} }], settings })` +
    `.catch((error) => console.log(error.code, error.message));`;
  const args = ['--max-old-space-size=96', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.match(
    stdout,
    /^outOfMemory expected training data that fit Node's heap of \d+ MB, it was full at record \d+000 /,
  );
});

test('texts: each text of the rows once, two an example', async (context) => {
  const { data } = await trainingScene(context);
  await writeFile(data, 'sent0\tsent1\thard_neg\na\tb\tc\na\td\te\n');
  const settings = { data: 'texts', losses: [{ kind: 'distillation' }] } as const;
  const { sources, counts } = await readTrainingData({ files: [{ path: data }], settings });
  assert.deepEqual(
    sources[0]?.examples.map(({ id, anchor, positive }) => [id, anchor, positive]),
    [
      ['1', 'a', 'b'],
      ['1+2', 'c', 'd'],
      ['2', 'e', 'e'],
    ],
  );
  assert.deepEqual([counts.read, counts.used], [2, 2]);
});

test('train says which option it does not have, and which it lacks', async (context) => {
  const { options } = await trainingScene(context);
  const wrong: readonly (readonly [object, RegExp])[] = [
    [
      { batchSize: 4 },
      /^expected options of train out of recipe, .*, received batchSize; values of/,
    ],
    [{ model: undefined }, /^expected model to be a text, received nothing$/],
    [{ data: undefined }, /^expected data to be a path or a list, received nothing$/],
  ];
  for (const [other, message] of wrong) {
    const given = { ...options, ...other } as unknown as TrainOptions;
    await assert.rejects(train(given), { name: 'TypeError', message });
  }
  const patient = { ...options, dev: undefined, settings: { ...options.settings, patience: 2 } };
  await assert.rejects(train(patient), /expected dev sets to be patient with, received patience/);
});
