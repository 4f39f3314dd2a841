// A folder that can no longer be written, a disk that is full or broken: the shim lets a file operation
// fail, and each after it, with what the system would say.
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';

import { openNewestCheckpoint } from '#dist/train/checkpoints.js';
import { repoRoot } from '../shared_data.js';
import { buildShim, runKillable, skipWithoutShim } from '../soak/kill_shim.js';
import { drawn } from '../soak/soak_result.js';
import { temporaryFolder } from '../temporary_folder.js';
import { equalFiles } from './linear_run.js';
import { tinyTraining } from './training_scene.js';

// Linux's numbers, and how its C library says them.
const refusals = [
  ['EROFS', 30, 'Read-only file system'],
  ['EACCES', 13, 'Permission denied'],
  ['ENOSPC', 28, 'No space left on device'],
  ['EDQUOT', 122, 'Disk quota exceeded'],
  ['EIO', 5, 'Input/output error'],
] as const;

/** Training of the tiny BERT or of the linear model under the shim. */
async function refusedScene(context: TestContext, model: 'bert' | 'linear') {
  const folder = await temporaryFolder(context);
  const shim = buildShim(folder);
  const { to, options } = await tinyTraining(folder);
  const child = join(repoRoot, 'build/test/train/train_child.js');
  const argsOf = (output: string): readonly string[] =>
    model === 'bert'
      ? [join(repoRoot, 'bin/simgpt.mjs'), ...to(output)]
      : [child, JSON.stringify({ ...options, checkpointEvery: 2, output })];
  const run = (output: string, below: string, killAt: number, errno?: number) => {
    const counter = `${output}.count`;
    const failing = errno === undefined ? {} : { errno };
    return runKillable({ shim, below, counter, killAt, args: argsOf(output), ...failing });
  };
  return { folder, run };
}

describe('a run whose writes are refused', { skip: skipWithoutShim }, () => {
  // The file of the weights is written by native code for the one, by Node for the other.
  for (const [model, tried] of [
    ['bert', refusals.filter((_, index) => index % 2 === 0)],
    ['linear', refusals],
  ] as const) {
    test(`stops by name, keeps its last checkpoint and goes on from it, ${model}`, async (context) => {
      const { folder, run } = await refusedScene(context, model);
      const calm = join(folder, 'calm');
      const whole = await run(calm, join(calm, 'checkpoints'), 0);
      assert.equal(whole.code, 0, whole.stderr);
      const expected = await equalFiles(calm);
      for (const [index, [code, errno, words]] of tried.entries()) {
        const output = join(folder, code);
        const checkpoints = join(output, 'checkpoints');
        // One operation of each part, after the first checkpoint.
        const part = whole.operations / (tried.length + 2);
        const from = Math.ceil(part * (index + 1.5));
        const killAt = drawn(3, index, from, from + Math.floor(part));
        const refused = await run(output, checkpoints, killAt, errno);
        const where = `${code} at ${killAt} of ${whole.operations}: ${refused.stderr}`;
        assert.equal(refused.code, 1, where);
        const said = new RegExp(
          `^simgpt: (?:could not write ${checkpoints}\\S*: ${code}` +
            `|${checkpoints}/\\S+: cannot \\w+: ${words}); step (\\d+) is saved$`,
          'm',
        );
        const step = Number(said.exec(refused.stderr)?.[1]);
        assert.ok(step > 0, where);
        // Looked at in a copy: opening one puts its folder in order.
        const copy = join(folder, `${code}-copy`);
        await cp(checkpoints, copy, { recursive: true });
        const left = await openNewestCheckpoint(copy);
        assert.ok(left !== undefined && left.state.step >= step, where);
        const resumed = await run(output, checkpoints, 0);
        assert.equal(resumed.code, 0, resumed.stderr);
        assert.deepEqual(await equalFiles(output), expected, where);
      }
    });
  }

  test('names a folder that was never to be written, and why', async (context) => {
    const { folder, run } = await refusedScene(context, 'linear');
    const output = join(folder, 'refused');
    for (const [code, errno] of refusals) {
      const { code: exit, stderr } = await run(output, output, 1, errno);
      assert.equal(exit, 1, stderr);
      assert.equal(stderr, `simgpt: could not write ${output}: ${code}\n`);
    }
  });
});
