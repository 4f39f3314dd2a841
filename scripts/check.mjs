// The whole check, the same everywhere: format, lint, types, build, duplicates, tests.
//   node scripts/check.mjs [--static]    --static leaves out the build and the tests
import { spawnSync } from 'node:child_process';
import { packageScript, root } from './setup/paths.mjs';
import { breaches, trackedFiles } from './check/rules.mjs';

const onlyStatic = process.argv.includes('--static');
const unknown = process.argv.slice(2).find((arg) => arg !== '--static');
if (unknown !== undefined) {
  process.stderr.write(`simgpt: expected --static or nothing, received ${unknown}\n`);
  process.exit(2);
}

const files = trackedFiles(root);
const native = files.filter((file) => /^native\/.*\.(?:h|cc|cu|cuh)$/.test(file));
const setup = ['scripts/setup.mjs'];

/** @type {readonly (readonly [name: string, step: () => boolean])[]} */
const steps = [
  ['format', () => bin('oxfmt', ['--check'])],
  ['format of C++', () => bin('clang-format', ['--dry-run', '-Werror', ...native])],
  ['lint', () => bin('oxlint', ['--deny-warnings'])],
  ['house rules', () => report(breaches(root, files))],
  ['duplicates', () => bin('jscpd', ['.'])],
  ['types', () => node([...setup, '--only', 'ts'])],
  ...(onlyStatic
    ? []
    : [
        // Warnings of the C++ compiler are errors here.
        ['build', () => node(setup, { SIMGPT_WERROR: '1' })],
        ['tests', () => node(['scripts/test.mjs'])],
      ]),
];

const failed = [];
for (const [name, step] of steps) {
  const started = performance.now();
  process.stdout.write(`== ${name}\n`);
  const ok = step();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`== ${name}: ${ok ? 'ok' : 'FAILED'}, ${seconds} s\n`);
  if (!ok) {
    failed.push(name);
  }
}
if (failed.length > 0) {
  process.stderr.write(`simgpt: expected every check to pass, failed: ${failed.join(', ')}\n`);
  process.exitCode = 1;
}

function node(args, env = {}) {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return status === 0;
}

/** Runs the command of a locked package without npx, which might fetch another. */
function bin(name, args) {
  return node([packageScript(name), ...args]);
}

function report(lines) {
  for (const line of lines) {
    process.stderr.write(`${line}\n`);
  }
  return lines.length === 0;
}
