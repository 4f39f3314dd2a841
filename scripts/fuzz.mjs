// Generated input for every parser, the native ones under AddressSanitizer and UBSan: the long counts.
//   npm run fuzz -- [--only id] [--count n] [--seed s] [--replay i]
// A failure prints seed and trial; --only id --seed s --replay i runs that trial alone.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { packageScript, root } from './setup/paths.mjs';

/** A driver per parser, native/fuzz/<id>_fuzz.cc or a script, and its count in the long tier. */
const targets = [
  { id: 'safetensors', count: 200_000 },
  { id: 'tokenizer', count: 200_000 },
  { id: 'changing_file', count: 11_500 },
  // What a model answers.
  { id: 'answers', count: 100_000, script: 'build/test/generate/hostile_fuzz.js' },
];

const build = join(root, 'build/fuzz');

function fail(message) {
  process.stderr.write(`simgpt: ${message}\n`);
  process.exit(2);
}

function readFlags(args) {
  const flags = new Map();
  for (let i = 0; i < args.length; i += 2) {
    const [name, value] = [args[i], args[i + 1]];
    if (!['--only', '--count', '--seed', '--replay'].includes(name)) {
      fail(`expected --only, --count, --seed or --replay, received ${name}`);
    }
    const whole = /^\d{1,15}$/.test(value ?? '');
    if (name !== '--only' && !whole) fail(`expected ${name} to be a whole number >= 0`);
    flags.set(name, value);
  }
  return flags;
}

function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error !== undefined) fail(`cannot run ${command}: ${error.message}`);
  if (status !== 0) {
    process.stderr.write(`simgpt: ${command} ended with ${signal ?? status}\n`);
    process.exit(1);
  }
}

const flags = readFlags(process.argv.slice(2));
const only = flags.get('--only');
const chosen = targets.filter(({ id }) => only === undefined || id === only);
if (chosen.length === 0) {
  fail(`expected --only to be ${targets.map(({ id }) => id).join(' or ')}, received ${only}`);
}
if (chosen.some(({ script }) => script !== undefined)) {
  run(process.execPath, [packageScript('typescript', 'tsc'), '-b', root]);
}
if (chosen.some(({ script }) => script === undefined)) {
  run('cmake', ['-S', join(root, 'native/fuzz'), '-B', build]);
  run('cmake', ['--build', build, '--parallel', '2']);
}
for (const { id, count, script } of chosen) {
  const replay = flags.get('--replay');
  const driver =
    script === undefined ? [join(build, `${id}_fuzz`)] : [process.execPath, join(root, script)];
  run(driver[0], [
    ...driver.slice(1),
    '--seed',
    flags.get('--seed') ?? '1',
    '--count',
    flags.get('--count') ?? String(count),
    ...(replay === undefined ? [] : ['--replay', replay]),
  ]);
}
