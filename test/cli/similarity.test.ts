import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../temporary_folder.js';
import { goldenModel, goldenTexts } from './golden_model.js';
import { runSimgpt } from './run_simgpt.js';

const model = ['--model', goldenModel, '--pooling', 'cls'];

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

test('two texts give one cosine of four decimals, with --json a number', async () => {
  const [a, , b] = await goldenTexts();
  const expected = cosine(a!.embeddings['cls']!, b!.embeddings['cls']!);
  const plain = await runSimgpt(['similarity', a!.text, b!.text, ...model]);
  assert.deepEqual([plain.code, plain.stdout], [0, `${expected.toFixed(4)}\n`], plain.stderr);
  const json = await runSimgpt(['similarity', a!.text, b!.text, ...model, '--json']);
  const { similarity, ...rest } = JSON.parse(json.stdout) as { similarity: number };
  assert.ok(Math.abs(similarity - expected) < 1e-5);
  assert.deepEqual(rest, { model: goldenModel });
});

test('two files are compared row by row', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeFile(join(cwd, 'a.txt'), 'a man plays\n\none two\n');
  await writeFile(join(cwd, 'b.csv'), 'n,body\n1,a man plays\n2,\n3,"two, one"\n');
  const args = ['similarity', '--input-a', 'a.txt', '--input-b', 'b.csv'];
  const { code, stdout, stderr } = await runSimgpt([...args, '--text-field', 'body', ...model], {
    cwd,
  });
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual([lines.length, lines[0], lines[1]], [3, '1.0000', '1.0000']);
  assert.match(lines[2]!, /^-?0\.\d{4}$/);
});
