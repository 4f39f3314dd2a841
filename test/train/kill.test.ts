import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { repoRoot } from '../shared_data.js';
import { signalledRuns, signalledSteps } from '../soak/signal_rows.js';
import { temporaryFolder } from '../temporary_folder.js';
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

test('T6: the first signal stops with a checkpoint, the second at once, 20 signals', async (context) => {
  const root = await temporaryFolder(context);
  const { failures, trials } = await signalledRuns({ shim: '', root, count: 20, seed: 5 });
  assert.deepEqual(failures, []);
  assert.equal(trials, 20);
});

test('T6: two signals before a long step ends leave nothing of it', async (context) => {
  const root = await temporaryFolder(context);
  const { failures } = await signalledSteps({ shim: '', root, count: 1, seed: 5 });
  assert.deepEqual(failures, []);
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
