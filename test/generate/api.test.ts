// What the package offers to a program: the recipes of the README, against the rehearsal.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  estimateGeneration,
  generate,
  generationRecipes,
  loadTemplates,
  readExamples,
  readLedger,
  SimgptError,
  verifyRun,
} from 'simgpt';
import type { TrainingExample } from 'simgpt';
import { runSimgpt } from '../cli/run_simgpt.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';

const sentences = [
  'The ferry leaves at noon.',
  'A dog sleeps on the porch.',
  'Snow fell all night.',
];

test('a program estimates, generates, reads, verifies, and gets the bytes of the command line', async (t) => {
  const root = await temporaryFolder(t);
  const input = join(root, 'sentences.txt');
  await writeFile(input, sentences.map((text) => `${text}\n`).join(''));
  const output = join(root, 'run');
  const settings = { recipe: 'simgpt', provider: 'rehearsal', input, seed: 3 } as const;
  assert.ok(generationRecipes.includes('simgpt'));
  const estimate = await estimateGeneration(settings);
  assert.deepEqual([estimate.units, estimate.calls, estimate.prompts.length], [3, 3, 3]);
  const steps: number[] = [];
  const onProgress = (_: string, done: number): void => void steps.push(done);
  const first = await generate({ ...settings, output, onProgress });
  assert.deepEqual([first.kind, first.ledger.settledCalls], ['done', 3]);
  assert.deepEqual(steps, [1, 2, 3]);
  assert.equal((await generate({ ...settings, output })).kind, 'finishedBefore');
  const rows: TrainingExample[] = [];
  for await (const row of readExamples(join(output, 'data.jsonl'))) {
    if (row.problem === undefined) rows.push(row);
  }
  assert.deepEqual(
    rows.map(({ anchor }) => anchor),
    sentences,
  );
  assert.deepEqual((await verifyRun(output)).doubts, []);
  const { rows: calls } = await readLedger(output);
  assert.deepEqual(
    calls.map(({ model, mode, outcome, calls: count }) => [model, mode, outcome, count]),
    [['rehearsal', 'live', 'ok', 3]],
  );
  const args = ['generate', 'simgpt', '--provider', 'rehearsal', '--input', input, '--seed', '3'];
  const typed = await runSimgpt([...args, '--output', 'typed', '--no-report'], { cwd: root });
  assert.equal(typed.code, 0, typed.stderr);
  for (const name of ['data.jsonl', 'quarantine.jsonl']) {
    assert.deepEqual(await readFile(join(root, 'typed', name)), await readFile(join(output, name)));
  }
});

test('a cap and a signal end a run as results; settings and files that are wrong are errors', async (t) => {
  const root = await temporaryFolder(t);
  const input = join(root, 'in.txt');
  await writeFile(input, sentences.map((text) => `${text}\n`).join(''));
  const output = join(root, 'run');
  const settings = { recipe: 'simgpt', provider: 'rehearsal', input, output } as const;
  const capped = await generate({ ...settings, maxCalls: 2 });
  assert.deepEqual(
    [capped.kind, capped.stop?.kind, capped.stop?.reason],
    ['stopped', 'budget', 'calls'],
  );
  const aborted = await generate({ ...settings, maxCalls: 3, signal: AbortSignal.abort() });
  assert.equal(aborted.stop?.kind, 'interrupted');
  await assert.rejects(generate({ ...settings, set: { kind: 'poems' } }), RangeError);
  await assert.rejects(generate({ ...settings, maxCost: 1 }), /price table that names rehearsal/);
  await assert.rejects(
    generate({ ...settings, input: join(root, 'none.txt') }),
    (error) => error instanceof SimgptError && error.code === 'fileNotFound',
  );
  await mkdir(join(root, 'empty'));
  await assert.rejects(verifyRun(join(root, 'empty')), { code: 'fileNotFound' });
  const templates = await loadTemplates();
  assert.match(templates.get('simgpt-captions')!.hash, /^[0-9a-f]{64}$/);
});

test('the TypeScript recipe of the README runs as it stands there', async (t) => {
  const cwd = await temporaryFolder(t);
  const readme = await readFile(join(repoRoot, 'README.md'), 'utf8');
  const recipes = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!);
  const recipe = recipes.filter((code) => code.includes('await generate({'));
  assert.equal(recipe.length, 1);
  await writeFile(join(cwd, 'sentences.txt'), sentences.map((text) => `${text}\n`).join(''));
  const printed: unknown[] = [];
  const body = recipe[0]!.replace(/^import \{(.*?)\} from 'simgpt';\n/s, 'const {$1} = simgpt;\n');
  // oxlint-disable-next-line typescript/no-implied-eval -- it is our own README
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  const run = AsyncFunction('simgpt', 'console', body) as (...given: unknown[]) => Promise<void>;
  const before = process.cwd();
  process.chdir(cwd);
  try {
    await run(await import('simgpt'), { log: (...words: unknown[]) => printed.push(words) });
  } finally {
    process.chdir(before);
  }
  assert.deepEqual(printed, [['done', 3, 'rows, doubts:', 0]]);
});
