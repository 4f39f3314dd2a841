import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { repoRoot } from '../shared_data.js';
import { equalFiles } from './linear_run.js';
import { expectKillsChangeNothing, onSmallDisk, runUntil } from './process.js';
import { trainingScene } from './training_scene.js';

const child = join(repoRoot, 'build/test/train/train_child.js');

test('T1: killed five times on its way, a run ends with the bytes of one never stopped', async (context) => {
  const { options, output } = await trainingScene(context);
  const inputs = { ...options, checkpointEvery: 2 };
  const program = (path: string) => [child, JSON.stringify({ ...inputs, output: path })];
  await expectKillsChangeNothing(program, output, [1, 4, 9, 3, 12]);
});

test('T6: SIGINT and SIGTERM stop after the step in hand, with a checkpoint', async (context) => {
  const { options, output } = await trainingScene(context);
  const program = (path: string) => [
    child,
    JSON.stringify({ ...options, checkpointEvery: 100, output: path }),
  ];
  const whole = await runUntil(program(`${output}-whole`), undefined);
  assert.equal(whole.code, 0, whole.stderr);
  for (const [signal, code, atLine] of [
    ['SIGINT', 130, 5],
    ['SIGTERM', 143, 4],
  ] as const) {
    const stopped = await runUntil(program(output), { atLine, signals: [signal] });
    assert.equal(stopped.code, code, stopped.stderr);
    assert.match(stopped.stderr, /^simgpt: stopped after step \d+ of 12: stopped by SIG/);
  }
  // A second signal does not wait for the step.
  const twice = await runUntil(program(output), { atLine: 4, signals: ['SIGINT', 'SIGTERM'] });
  assert.ok(twice.code === 130 || twice.code === 143, twice.stderr);
  assert.equal((await runUntil(program(output), undefined)).code, 0);
  assert.deepEqual(await equalFiles(output), await equalFiles(`${output}-whole`));
});

test('on a full disk a run stops by name, and goes on from the last checkpoint when there is room', async (context) => {
  const { options, output } = await trainingScene(context);
  const program = (path: string) => [
    child,
    JSON.stringify({ ...options, checkpointEvery: 2, output: path }),
  ];
  const whole = await runUntil(program(`${output}-whole`), undefined);
  assert.equal(whole.code, 0, whole.stderr);
  const stopped = await runUntil(program(output), { atLine: 7, signals: ['SIGTERM'] });
  assert.equal(stopped.code, 143, stopped.stderr);
  const full = await onSmallDisk(program(output), 4);
  assert.equal(full.code, 1, full.stderr);
  assert.match(full.stderr, /could not write .*EFBIG; step \d+ is saved$/m);
  assert.equal((await runUntil(program(output), undefined)).code, 0);
  assert.deepEqual(await equalFiles(output), await equalFiles(`${output}-whole`));
});
