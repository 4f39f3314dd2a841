// Runs the compiled tests with node:test, whose summary is the last thing printed.
//   node scripts/test.mjs [part of a file name …] [--only]
// Words choose the files whose path contains one of them; --only runs the tests marked so.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

// A test file may hold LibTorch and a model.
const bytesPerFile = 2 * 1024 ** 3;
const timeoutMs = 10 * 60_000;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'build/test');
const args = process.argv.slice(2);
const words = args.filter((arg) => !arg.startsWith('--'));
const flags = args.filter((arg) => arg.startsWith('--'));
const unknown = flags.find((flag) => flag !== '--only');
if (unknown !== undefined) {
  process.stderr.write(`simgpt: expected words and --only, received ${unknown}\n`);
  process.exit(2);
}

const files = (existsSync(folder) ? readdirSync(folder, { recursive: true }) : [])
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => matches(name, word)))
  .map((name) => relative(root, join(folder, name)))
  .sort();
if (files.length === 0) {
  const what = words.length === 0 ? 'build/test' : `build/test that matches ${words.join(' or ')}`;
  process.stderr.write(`simgpt: expected a test in ${what}, found none. Run: npm run setup\n`);
  process.exit(1);
}

// Files run side by side, each with a thread per core: threads that wait must not hold their core.
const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / bytesPerFile)));
const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    `--test-concurrency=${jobs}`,
    `--test-timeout=${timeoutMs}`,
    `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`,
    '--test-reporter-destination=stdout',
    ...(flags.includes('--only') ? ['--test-only'] : []),
    ...files,
  ],
  { cwd: root, stdio: 'inherit', env: { OMP_WAIT_POLICY: 'passive', ...process.env } },
);
process.exitCode = status ?? 1;

// A word may be given as the path of the source, as a shell completes it.
function matches(name, word) {
  return name.includes(
    word.replace(/^(?:\.\/)?(?:build\/)?test\//, '').replace(/\.(?:ts|js)$/, ''),
  );
}
