// Defects of the product, built in one at a time: each must turn its row red.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './harness.mjs';
import { runRow } from './run_row.mjs';

// Numbers as in native/boundary/seeded_defects.h.
const defects = {
  1: { what: 'the job wrapper lets an int pass', row: 'A3' },
  2: { what: 'a binding lets a C++ exception pass', row: 'A3' },
  3: { what: 'no type tag check on this', row: 'A2' },
  4: { what: 'teardown does not join the lane', row: 'A1' },
  5: { what: 'the lane wakes JavaScript after closing', row: 'A1' },
  6: { what: 'V8 is not told of native memory', row: 'A7' },
  7: { what: 'dispose does not wait', row: 'dispose' },
  8: { what: 'a job never sees its cancellation', row: 'A1' },
  9: { what: 'a second dispose is refused', row: 'dispose' },
  10: { what: 'the newest job runs first', row: 'order' },
  11: { what: 'a detached buffer is accepted', row: 'A2' },
  12: { what: 'a shared buffer is accepted', row: 'A2' },
  13: { what: 'an idle addon keeps the process alive', row: 'A4' },
  14: { what: 'a disposed handle is used', row: 'A2' },
  15: { what: 'a failure has no caller', row: 'A3' },
};

const counts = { A1: 2, A2: 2_500, A3: 400, A4: 10, A7: 1_000, order: 100, cancel: 10, dispose: 5 };
const watchdogMs = 90_000;

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
}

// The settings of the ordinary build, so that the variant differs by its defect alone.
function settingsOf(build) {
  const cache = readFileSync(join(build, 'CMakeCache.txt'), 'utf8');
  return [...cache.matchAll(/^((?:CMAKE_JS|SIMGPT)_\w+|CMAKE_BUILD_TYPE|NODE_\w+):\w+=(.*)$/gm)]
    .filter(([, name]) => name !== 'SIMGPT_SEED_DEFECT' && name !== 'SIMGPT_TEST_HOOKS')
    .map(([, name, value]) => `-D${name}=${value}`);
}

function buildVariant(number) {
  const folder = join(root, 'build/defects');
  mkdirSync(folder, { recursive: true });
  const hooks = ['-DSIMGPT_TEST_HOOKS=ON', `-DSIMGPT_SEED_DEFECT=${number}`];
  const settings = settingsOf(join(root, 'build'));
  run('cmake', ['-S', root, '-B', folder, '-G', 'Ninja', ...settings, ...hooks]);
  run('cmake', ['--build', folder, '--target', 'simgpt_test']);
  const variant = join(folder, `simgpt_test_${number}.node`);
  copyFileSync(join(folder, 'simgpt_test.node'), variant);
  return variant;
}

/** @returns whether every defect was caught */
export async function runDefects({ seed, only }) {
  let caught = 0;
  const numbers = Object.keys(defects).filter(
    (n) => only === undefined || only.includes(Number(n)),
  );
  for (const number of numbers) {
    const { what, row } = defects[number];
    const module = buildVariant(number);
    const result = await runRow(row, { count: counts[row], seed, module, watchdogMs });
    if (!result.passed) caught += 1;
    const verdict = result.passed ? 'MISSED' : 'caught';
    const why = result.messages[0] ?? '';
    process.stdout.write(`${verdict} ${number} ${what}: ${row} ${why.slice(0, 120)}\n`);
  }
  process.stdout.write(`${numbers.length} defects, ${caught} caught\n`);
  return caught === numbers.length;
}
