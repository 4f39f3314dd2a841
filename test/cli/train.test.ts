import assert from 'node:assert/strict';
import { appendFile, cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { Encoder } from '#dist/encoder/encoder.js';
import type { RunEvent } from '#dist/train/train.js';
import { expectKillsChangeNothing, runUntil } from '../train/process.js';
import { temporaryFolder } from '../temporary_folder.js';
import { tinyTraining } from '../train/training_scene.js';
import { repoRoot } from '../shared_data.js';
import { runSimgpt } from './run_simgpt.js';

interface RunPlan {
  readonly recipe: { readonly settings: { readonly trains: unknown } };
}

async function cliScene(context: TestContext) {
  const scene = await tinyTraining(await temporaryFolder(context));
  return { ...scene, args: scene.to(scene.output) };
}

test('one command trains a model that loads, and says where it stands', async (context) => {
  const { args, output } = await cliScene(context);
  const { code, stdout, stderr } = await runSimgpt(args);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /^data: 30 of 30 records; 0 bad, 0 duplicates, 0 left out$/m);
  assert.match(
    stderr,
    /^overlap: \d+ of 30 records share a text with 1 evaluation sets \(stsb-dev\)/m,
  );
  assert.match(stderr, /^overlap: not compared with stsb: expected 1379 pairs .*received 1$/m);
  assert.match(
    stderr,
    /^overlap: not compared with the STS test sets sts12, .*sts16, sickr: --test FOLDER names them/m,
  );
  assert.match(stderr, /^seed 42: 12 steps, 4 an epoch, in /m);
  assert.match(stderr, /^step 5: stsb -?\d+\.\d\d/m);
  assert.match(stderr, /^seed 42: 12 steps, step \d+ selected, dev -?\d+\.\d\d: .*run\/model$/m);
  await using encoder = await Encoder.load(join(output, 'model'), { precision: 'float32' });
  const { shape } = await encoder.embed(['a cat']);
  assert.deepEqual(shape, [1, 16]);
  const metrics = (await readFile(join(output, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const losses = metrics
    .map((line) => JSON.parse(line) as { kind: string; loss: number })
    .filter(({ kind }) => kind === 'step')
    .map(({ loss }) => loss);
  assert.equal(losses.length, 12);
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(mean(losses.slice(8)) < mean(losses.slice(0, 4)), 'the loss falls');
  const again = await runSimgpt(args);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /^seed 42 is done already: /m);
});

test('--json prints every event as a line, the result last', async (context) => {
  const { args } = await cliScene(context);
  const short = ['--max-steps', '3', '--set', 'maxTokens=4'];
  const { code, stdout, stderr } = await runSimgpt([...args, '--json', ...short]);
  assert.equal(code, 0, stderr);
  // Four words and more, of which two fit between the specials.
  assert.match(stdout, /"truncated":24/);
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent | { kind: 'result' });
  assert.equal(events.filter(({ kind }) => kind === 'step').length, 3);
  assert.equal(events.at(-1)?.kind, 'result');
});

test('T1: killed five times, a run of the tiny BERT ends with the same bytes', async (context) => {
  const { to, output } = await cliScene(context);
  const program = (path: string) => [join(repoRoot, 'bin/simgpt.mjs'), ...to(path), '--json'];
  await expectKillsChangeNothing(program, output, [4, 8, 7, 5, 10]);
});

test('T6: SIGINT and SIGTERM stop with a checkpoint, exit codes 130 and 143', async (context) => {
  const { to, output } = await cliScene(context);
  const program = (path: string) => [join(repoRoot, 'bin/simgpt.mjs'), ...to(path), '--json'];
  for (const [signal, code, atLine] of [
    ['SIGINT', 130, 5],
    ['SIGTERM', 143, 6],
  ] as const) {
    const stopped = await runUntil(program(output), { atLine, signals: [signal] });
    assert.equal(stopped.code, code, stopped.stderr);
    assert.match(stopped.stderr, /^simgpt: stopped after step \d+ of 12: stopped by SIG/m);
    assert.equal((await readdir(join(output, 'checkpoints'))).length > 0, true);
  }
  assert.equal((await runUntil(program(output), undefined)).code, 0);
});

test('what is selected is what is exported, whatever is trained', async (context) => {
  const { to, output, model } = await cliScene(context);
  const warm = 'schedule={"kind":"linear","warmupSteps":2}';
  const lora = '{"kind":"lora","rank":4}';
  for (const [recipe, ...more] of [
    ['simcse-unsup'],
    ['promcse-sup', '--learning-rate', '0.05'],
    ['promcse-unsup', '--row', 'roberta-base'],
    ['simcse-sup', '--set', `trains=${lora}`],
    ['multicsr', '--reference', model],
    ['distil-small', '--set', 'teacher={"layers":[1]}', '--set', warm],
    ['simcse-sup', '--set', 'trains={"kind":"bitFit"}', '--head', 'none', '--pooling', 'mean'],
  ]) {
    const path = `${output}-${recipe}-${more.length}`;
    const args = to(path).with(1, recipe!);
    const { code, stderr } = await runSimgpt([...args, ...more]);
    assert.equal(code, 0, stderr);
    const read = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(path, name), 'utf8'));
    const done = (await read('done.json')) as { selected: { score: number } };
    const { dev } = (await read('evaluation.json')) as { dev: { after: { spearman: number } }[] };
    const gap = Math.abs(dev[0]!.after.spearman - done.selected.score);
    assert.ok(gap < 0.01, `${recipe} ${more.join(' ')}: ${gap}`);
  }
  const adapted = `${output}-simcse-sup-2`;
  const plan = JSON.parse(await readFile(join(adapted, 'run.json'), 'utf8')) as RunPlan;
  const adapter = JSON.parse(
    await readFile(join(adapted, 'model/adapter/adapter_config.json'), 'utf8'),
  ) as Readonly<Record<string, unknown>>;
  assert.deepEqual(plan.recipe.settings.trains, { kind: 'lora', rank: 4, alpha: 8 });
  assert.deepEqual([adapter['r'], adapter['lora_alpha']], [4, 8]);
  const prompted = ['--model', `${output}-promcse-sup-2/model`];
  const { code, stdout, stderr } = await runSimgpt(['similarity', ...prompted, 'a man', 'a woman']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /-?\d\.\d+/);
});

test('each --pooling over two layers trains, exports and loads', async (context) => {
  const { to, output } = await cliScene(context);
  for (const pooling of ['firstLastMean', 'lastTwoMean', 'embeddingLastMean']) {
    const path = `${output}-${pooling}`;
    const { code, stderr } = await runSimgpt([
      ...to(path),
      '--max-steps',
      '2',
      '--pooling',
      pooling,
    ]);
    assert.equal(code, 0, stderr);
    await using encoder = await Encoder.load(join(path, 'model'), { precision: 'float32' });
    assert.deepEqual(encoder.checkpoint.pooling, [pooling]);
    const card = await readFile(join(path, 'model/README.md'), 'utf8');
    assert.match(card, /^library_name: simgpt$/m);
    assert.match(card, new RegExp(`pooling, ${pooling}, is in .simgpt.json., which simgpt loads`));
  }
});

test('T5: numbers that overflow stop the run with step, tensor and examples', async (context) => {
  const { args, output } = await cliScene(context);
  const wild = ['--learning-rate', '1e38', '--set', 'maxGradNorm=null'];
  const { code, stderr } = await runSimgpt([...args, ...wild]);
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /step 2: expected finite numbers in \w+, received NaN or infinity \(examples /,
  );
  const report = JSON.parse(await readFile(join(output, 'diverged.json'), 'utf8')) as {
    exampleIds: string[];
  };
  assert.equal(report.exampleIds.length, 8);
});

test('T5: rows of several files are named by file and line', async (context) => {
  const { args, data, output } = await cliScene(context);
  const second = join(await temporaryFolder(context), 'more.tsv');
  await writeFile(second, await readFile(data, 'utf8'));
  const wild = ['--learning-rate', '1e38', '--set', 'maxGradNorm=null', '--data', second];
  const { code, stderr } = await runSimgpt([...args, ...wild]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /step 2: .* \(examples (?:(?:more|triples)\.tsv line \d+(?:, )?){8}\);/);
  const report = await readFile(join(output, 'diverged.json'), 'utf8');
  assert.match(report, /"exampleIds":\["(?:more|triples)\.tsv line \d+",/);
});

test('a student with a smaller vocabulary; a warm-up too long is said before anything is made', async (context) => {
  const { to, output } = await cliScene(context);
  const teacher = 'teacher={"layers":[1],"vocabulary":{"minCount":4}}';
  const args = to(output).with(1, 'distil-small');
  const long = await runSimgpt([...args, '--set', teacher]);
  assert.equal(long.code, 2);
  assert.match(long.stderr, /expected warmupSteps < \d+ steps, received 100/);
  await assert.rejects(readdir(output), { code: 'ENOENT' });
  const warm = 'schedule={"kind":"linear","warmupSteps":2}';
  const half = ['--export-dtype', 'float16'];
  const { code, stderr } = await runSimgpt([...args, '--set', teacher, '--set', warm, ...half]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^the teacher has embedded \d+ texts$/m);
  const config = JSON.parse(await readFile(join(output, 'model/config.json'), 'utf8')) as object;
  const { vocab_size: tokens, num_hidden_layers: layers } = config as Record<string, number>;
  assert.deepEqual([layers, (config as { torch_dtype: string }).torch_dtype], [1, 'float16']);
  assert.ok(tokens! > 10 && tokens! < 54, `${tokens} tokens`);
});

test('columns by any name, grades among them; by position where asked', async (context) => {
  const { args, to, data, output } = await cliScene(context);
  const text = await readFile(data, 'utf8');
  const one = [...args, '--max-steps', '1'];
  await writeFile(data, text.replace(/^.*\n/, 'premise\tentailed\tcontradicting\n'));
  const unnamed = await runSimgpt(one);
  assert.equal(unnamed.code, 1);
  assert.match(unnamed.stderr, /line 1: expected a column anchor or sent0 \(or --columns anchor=/);
  const placed = await runSimgpt([...one, '--by-position', 'header']);
  assert.equal(placed.code, 0, placed.stderr);
  const graded = text
    .split('\n')
    .map((line, i) => line.replace(/[^\t]*$/, i === 0 ? 'how' : `${i}`));
  await writeFile(data, graded.slice(0, 31).join('\n'));
  const losses = 'losses=[{"kind":"coSent","temperature":0.05}]';
  const grades = ['--columns', 'positiveScore=how', '--set', 'data="pairs"', '--set', losses];
  const pairs = await runSimgpt([...to(`${output}-graded`), '--max-steps', '1', ...grades]);
  assert.equal(pairs.code, 0, pairs.stderr);
});

const shippedModel = join(repoRoot, 'models/simgpt-small');

function learns(target: string): string {
  return `losses=[{"kind":"distillation","target":"${target}","objective":"mse"}]`;
}

test('--teacher: another model than the student is made of', async (context) => {
  const { to, output } = await cliScene(context);
  const run = async (path: string, recipe: string, ...more: string[]) => {
    const { code, stderr } = await runSimgpt([...to(path).with(1, recipe), ...more]);
    assert.equal(code, 0, stderr);
    const read = (name: string) => readFile(join(path, name), 'utf8');
    const [, step] = (await read('metrics.jsonl')).split('\n');
    const plan = JSON.parse(await read('run.json')) as { teacher?: { id: string } };
    const { loss } = JSON.parse(step!) as { loss: number };
    return { loss, plan, card: await read('card.md'), stderr };
  };
  const short = ['--set', learns('similarities'), '--max-steps', '2'];
  const named = [...short, '--teacher', shippedModel];
  const taught = await run(output, 'simcse-sup', ...named);
  assert.match(taught.stderr, /^the teacher has embedded \d+ texts$/m);
  assert.equal(taught.plan.teacher?.id, 'simgpt-small');
  assert.match(taught.card, /^\| teacher \| simgpt-small \| not known \| model.safetensors \| /m);
  const cold = 'schedule={"kind":"constant","warmupSteps":0}';
  const student = ['--set', 'teacher={"layers":[1]}', '--set', cold];
  const own = await run(`${output}-own`, 'distil-small', ...short, ...student);
  assert.equal(own.plan.teacher, undefined);
  assert.match(own.card, /^\| base and teacher \| random-bert \| /m);
  assert.match(
    own.card,
    /^It began as a student made of the base model; layers kept, from 0: 1\.$/m,
  );
  const other = await run(`${output}-other`, 'distil-small', ...named, ...student);
  assert.match(other.card, /^\| base \| random-bert \| [^]*^\| teacher \| simgpt-small \| /m);
  assert.notEqual(other.loss, own.loss);
});

test('the card names the commit of a hub model, and the reference', async (context) => {
  const { to, output, model } = await cliScene(context);
  const cache = `${output}-cache`;
  const commit = '0123456789abcdef0123456789abcdef01234567';
  const repository = join(cache, 'models--our--tiny');
  await mkdir(join(repository, 'refs'), { recursive: true });
  await writeFile(join(repository, 'refs/main'), commit);
  await cp(model, join(repository, 'snapshots', commit), { recursive: true });
  const env = { HF_HUB_CACHE: cache, HF_HUB_OFFLINE: '1' };
  const more = ['--model', 'our/tiny', '--reference', model, '--max-steps', '1'];
  const { code, stderr } = await runSimgpt([...to(output).with(1, 'multicsr'), ...more], { env });
  assert.equal(code, 0, stderr);
  const card = await readFile(join(output, 'card.md'), 'utf8');
  assert.match(
    card,
    new RegExp(`^\\| base \\| our/tiny \\| ${commit} \\| model.safetensors `, 'm'),
  );
  assert.match(card, /^\| reference of false negatives \| random-bert \| not known \| /m);
});

test('usage: one sentence, exit code 2', async (context) => {
  const { args, data, model } = await cliScene(context);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['train', 'simcse', ...args.slice(2)], /expected a recipe out of distil-small, /],
    [[...args, '--learning-rate', '0'], /expected a number > 0, received 0/],
    [
      [...args, '--eval-every', '0'],
      /option '--eval-every, .*expected an integer from 1 to \d+, received 0/,
    ],
    [[...args, '--evaluate-every', '0'], /expected an integer from 1 to \d+, received 0/],
    [
      [...args, '--set', 'batchSizes=3'],
      /expected settings out of .*batchSize, .*, received batchSizes$/m,
    ],
    [[...args, '--set', 'maxTokens=0'], /field maxTokens: expected at least 3/],
    [['train', 'multicsr', ...args.slice(2)], /expected a reference encoder \(--reference\)/],
    [[...args, '--reference', 'x'], /expected no reference for this recipe, received x/],
    [
      [...args, '--teacher', 'x'],
      /expected no teacher where no loss asks for its vectors .*received x/,
    ],
    [
      [...args, '--set', learns('vectors')],
      /expected a teacher \(--teacher\) for the distillation/,
    ],
    [
      [...args, '--set', learns('vectors'), '--teacher', model],
      /states its pooling in modules.json/,
    ],
    [
      [...args, '--set', learns('vectors'), '--teacher', shippedModel],
      /of 16 dimensions.*received 384/,
    ],
    [[...args, '--set', 'batchSize'], /expected name=json, received batchSize/],
    [[...args, '--weight', '1', '--weight', '2'], /expected one --weight for each of 1 --data/],
    [[...args, '--column', 'negative=x'], /expected NAME=COLUMN, NAME out of anchor, positive/],
    [[...args, '--seed', '1,2,1'], /field seeds: expected seeds that differ, received \[1,2,1\]/],
  ];
  for (const [wrong, message] of cases) {
    const { code, stderr } = await runSimgpt(wrong);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
  await appendFile(data, 'only one\t\t\n');
  const strict = await runSimgpt([...args, '--strict']);
  assert.equal(strict.code, 1, strict.stderr);
  const lenient = await runSimgpt([...args, '--max-steps', '1']);
  assert.equal(lenient.code, 3, lenient.stderr);
  assert.match(lenient.stderr, /1 bad rows in .*data\.quarantine\.jsonl$/m);
});

test('what cannot be computed is refused before anything is written', async (context) => {
  const { args, output } = await cliScene(context);
  const narrow = await runSimgpt([...args, '--precision', 'bfloat16']);
  assert.equal(narrow.code, 1, narrow.stderr);
  assert.match(narrow.stderr, /expected precision 'float32' or 'float64' in training on the CPU/);
  await assert.rejects(readdir(output), { code: 'ENOENT' });
  const device = await runSimgpt([...args, '--device', 'cuda', '--max-steps', '1']);
  if (device.code === 0) return; // this machine has CUDA
  assert.equal(device.code, 1, device.stderr);
  assert.match(device.stderr, /expected device cuda to be usable, but /);
});
