import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import { exportCheckpoint } from '#dist/encoder/export.js';
import { trainWith } from '#dist/train/train.js';
import { goldenModel } from '../cli/golden_model.js';
import { openLinear, trainingScene } from './training_scene.js';

test('a run goes on with the model it began with: weights, tokenizer, every settings file', async (context) => {
  const { options, output } = await trainingScene(context);
  const model = `${output}-model`;
  await exportCheckpoint(await readCheckpoint(goldenModel, { pooling: 'mean' }), model);
  const run = { ...options, model, settings: { ...options.settings, pooling: 'asModel' as const } };
  const stopped = { ...run, maxSteps: 1 };
  await trainWith(openLinear, stopped);
  const plan = JSON.parse(await readFile(join(output, 'run.json'), 'utf8')) as {
    model: { files: { name: string; bytes: number; sha256: string }[] };
  };
  const names = plan.model.files.map(({ name }) => name);
  for (const name of [
    'config.json',
    'modules.json',
    '1_Pooling/config.json',
    'config_sentence_transformers.json',
    'sentence_bert_config.json',
    'tokenizer_config.json',
    'tokenizer.json',
    'model.safetensors',
  ]) {
    const place = names.indexOf(name);
    assert.ok(place >= 0, `${name} is in none of ${names.join(', ')}`);
    const path = join(model, name);
    const before = await readFile(path);
    const end = before.length - 1;
    // A space more is no other JSON; of the weights the last byte is another.
    const changed = name.endsWith('.json')
      ? Buffer.concat([before, Buffer.from('\n')])
      : Buffer.concat([before.subarray(0, end), Buffer.of(before[end]! ^ 1)]);
    await writeFile(path, changed);
    await assert.rejects(trainWith(openLinear, stopped), {
      code: 'outputExists',
      message: new RegExp(`same recipe, model and data: model\\.files\\.${place}\\.`),
    });
    await writeFile(path, before);
  }
  const config = join(model, 'config.json');
  const text = await readFile(config, 'utf8');
  await writeFile(config, text.replace(/("hidden_dropout_prob": )[\d.]+/, '$10.25'));
  assert.notEqual(await readFile(config, 'utf8'), text);
  await assert.rejects(trainWith(openLinear, stopped), { code: 'outputExists' });
  await writeFile(config, text);
  assert.equal((await trainWith(openLinear, stopped)).runs[0]?.steps, 1);
});
