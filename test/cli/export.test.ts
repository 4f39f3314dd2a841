import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { temporaryFolder } from '../temporary_folder.js';
import { goldenModel } from './golden_model.js';
import { runSimgpt } from './run_simgpt.js';

test('export writes a folder that embed reads, once, in the dtype that was asked', async (context) => {
  const output = join(await temporaryFolder(context), 'half');
  const args = ['export', goldenModel, '--output', output, '--pooling', 'mean'];
  const first = await runSimgpt([...args, '--dtype', 'float16']);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^bert-erf in float16: .*half$/m);
  const config = JSON.parse(await readFile(join(output, 'config.json'), 'utf8')) as object;
  assert.equal((config as { torch_dtype: string }).torch_dtype, 'float16');
  const embed = ['embed', '--model', output, '--input', '-', '--input-format', 'txt'];
  const rows = await runSimgpt([...embed, '--output', '-', '--output-format', 'jsonl'], {
    stdin: 'a man plays\nthe women\n',
  });
  assert.equal(rows.stdout.trimEnd().split('\n').length, 2, rows.stderr);
  const again = await runSimgpt(args);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /expected no folder at .*half, found one/);
  const wrong = await runSimgpt([...args, '--dtype', 'int8']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /float32, float16/);
});
