import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { expectClose, goldenModel, goldenTexts } from './golden_model.js';
import { runSimgpt } from './run_simgpt.js';

const model = ['--model', goldenModel, '--pooling', 'mean', '--precision', 'float32'];

function floatsOf(npy: Buffer): Float32Array {
  return new Float32Array(Uint8Array.from(npy.subarray(128)).buffer);
}

test('npy holds what the reference computes, and stdout stays empty', async (context) => {
  const cwd = await temporaryFolder(context);
  const texts = (await goldenTexts()).filter(({ text }) => !text.includes('\n'));
  await writeFile(join(cwd, 'in.txt'), texts.map(({ text }) => `${text}\n`).join(''));
  const args = ['embed', ...model, '--input', 'in.txt', '--output', 'out.npy', '--no-normalize'];
  const { code, stdout, stderr } = await runSimgpt(args, { cwd });
  assert.deepEqual([code, stdout], [0, ''], stderr);
  assert.match(
    stderr,
    new RegExp(`^${texts.length} of ${texts.length} texts, 24 dimensions, in out`),
  );
  assert.match(stderr, /1 texts were cut at 40 tokens/);
  const rows = floatsOf(await readFile(join(cwd, 'out.npy')));
  for (const [i, { embeddings }] of texts.entries()) {
    expectClose(rows.subarray(i * 24, i * 24 + 24), embeddings['mean']!);
  }

  const again = await runSimgpt(args, { cwd });
  assert.equal(again.code, 1);
  assert.match(again.stderr, /expected no file at out\.npy, found one; pass --overwrite/);
  assert.equal((await runSimgpt([...args, '--overwrite'], { cwd })).code, 0);
  assert.deepEqual((await readdir(cwd)).sort(), ['in.txt', 'out.npy']);
});

test('bad rows end in exit code 3, a quarantine file and counts; strict in 1 and nothing', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeFile(join(cwd, 'in.jsonl'), '{"text":"a man"}\n{"text":7}\n{"text":"\\ud800"}\n');
  const args = ['embed', ...model, '--input', 'in.jsonl', '--output', 'out.jsonl', '--json'];
  const { code, stdout } = await runSimgpt(args, { cwd });
  assert.equal(code, 3);
  assert.deepEqual(JSON.parse(stdout), {
    output: 'out.jsonl',
    ok: 2,
    truncated: 0,
    replaced: 1,
    dimensions: 24,
    failed: 1,
    total: 3,
    quarantine: 'out.jsonl.quarantine.jsonl',
  });
  const bad = await readFile(join(cwd, 'out.jsonl.quarantine.jsonl'), 'utf8');
  assert.deepEqual(JSON.parse(bad), {
    file: 'in.jsonl',
    line: 2,
    field: 'text',
    reason: 'expected a string, received a number',
  });
  const strict = [...args.slice(0, -3), '--output', 'strict.jsonl', '--strict'];
  const stopped = await runSimgpt(strict, { cwd });
  assert.deepEqual([stopped.code, stopped.stdout], [1, '']);
  assert.match(stopped.stderr, /in\.jsonl, line 2, field text: expected a string/);
  assert.ok(!(await readdir(cwd)).includes('strict.jsonl'));
});

test('a pipe carries embeddings alone: JSON lines, or npy', async (context) => {
  const cwd = await temporaryFolder(context);
  const pipe = ['embed', ...model, '--input', '-', '--output', '-', '--normalize'];
  const lines = await runSimgpt(pipe, { cwd, stdin: 'a man plays\n\n' });
  assert.equal(lines.code, 0, lines.stderr);
  const rows = lines.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  const [first, second] = rows as { id: string; embedding: number[] }[];
  assert.deepEqual([first!.id, second!.id, rows.length], ['1', '2', 2]);
  const norm = Math.hypot(...first!.embedding);
  assert.ok(Math.abs(norm - 1) < 1e-5, String(norm));
  const npy = await runSimgpt([...pipe, '--output-format', 'npy', '--dimensions', '3'], {
    cwd,
    stdin: '{"text":"a man plays"}\n',
  });
  assert.match(npy.stdoutBytes.subarray(0, 128).toString('latin1'), /'shape': \(1, 3\)/);
  assert.equal(npy.stdoutBytes.length, 128 + 12);
  assert.deepEqual(await readdir(cwd), []);
});

test('an empty file, a missing model and a plain folder without pooling fail in a sentence', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeFile(join(cwd, 'empty.txt'), '');
  await writeFile(join(cwd, 'in.txt'), 'a\n');
  const run = (input: string, ...more: string[]) =>
    runSimgpt(['embed', '--input', input, '--output', 'out.npy', ...more], { cwd });
  const empty = await run('empty.txt', ...model);
  assert.equal(empty.code, 1);
  assert.match(empty.stderr, /expected at least one record in empty\.txt, found none/);
  const missing = await run('in.txt', '--model', './no/such/folder');
  assert.equal(missing.code, 1, missing.stderr);
  const plain = await run('in.txt', '--model', goldenModel);
  assert.ok(plain.code === 1 || plain.code === 2, plain.stderr);
  assert.match(plain.stderr, /pooling/);
  const prompt = await run('in.txt', ...model, '--prompt', 'query');
  assert.equal(prompt.code, 2);
  assert.match(prompt.stderr, /expected prompt to be one of .*received query/);
  assert.deepEqual((await readdir(cwd)).sort(), ['empty.txt', 'in.txt']);
});

test('an interrupt ends in 130 and leaves nothing half-written', async (context) => {
  const cwd = await temporaryFolder(context);
  const args = ['embed', ...model, '--input', '-', '--output', 'out.npy'];
  const child = spawn(process.execPath, [join(repoRoot, 'bin/simgpt.mjs'), ...args], { cwd });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  // More than the run reads at once, so that it is embedding or waiting for more.
  child.stdin.write('a man plays\n'.repeat(5000));
  // The first thing to appear is the temporary file: the model is loaded and rows are awaited.
  const watcher = watch(cwd);
  await Promise.race([once(watcher, 'change'), once(child, 'exit')]);
  watcher.close();
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 130, stderr);
  assert.match(stderr, /stopped by SIGINT|cancelled/);
  assert.deepEqual(await readdir(cwd), []);
});
