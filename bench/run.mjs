// Runs the benches: npm run bench -- [names …] [--rounds n] [--quick] [--threads n]
// Names choose the files bench/NAME.bench.ts; without one, all run. --quick takes small inputs and
// few rounds: it shows that a bench works. Prints the machine first and rows for bench/RESULTS.md
// last. Fails on wrong answers, never on slow ones.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine, load, machineLines } from './machine.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const usage = 'usage: npm run bench -- [names …] [--rounds n] [--quick] [--threads n]';
const available = readdirSync(join(root, 'bench'))
  .filter((name) => name.endsWith('.bench.ts'))
  .map((name) => name.slice(0, -'.bench.ts'.length))
  .sort();

const { names, rounds, quick, threads } = options();
const machine = describeMachine(root);
const machineBlock = machineLines(machine, threads);
print(machineBlock.join('\n'));

const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'], {
  cwd: root,
  stdio: 'inherit',
});
if (tsc.status !== 0) {
  fail('the benches do not compile', 1);
}

const folder = mkdtempSync(join(tmpdir(), 'simgpt-bench-'));
const failed = [];
const rows = [];
try {
  for (const name of names) {
    const question = readFileSync(join(root, `bench/${name}.bench.ts`), 'utf8').split('\n')[0];
    print(`\n=== ${name}: ${question.replace(/^\/\/\s*/, '')}`);
    const rowsFile = join(folder, name);
    writeFileSync(rowsFile, '');
    const args = [join(root, `build/bench/${name}.bench.js`), '--rows', rowsFile];
    args.push('--threads', threads);
    if (rounds !== undefined) args.push('--rounds', rounds);
    if (quick) args.push('--quick');
    const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
    if (status !== 0) failed.push(name);
    rows.push(readFileSync(rowsFile, 'utf8'));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
printRows();
if (failed.length > 0) {
  fail(`failed: ${failed.join(', ')}`, 1);
}

function printRows() {
  const { minute, noisy } = load(machine.cores);
  print(`\nload after ${minute.toFixed(2)}${noisy ? ' (the benches themselves among it)' : ''}`);
  print('\nFor bench/RESULTS.md:\n');
  print(machineBlock.join('  \n'));
  print(
    '\n| case | ours | peer | its rate | ratio (quartiles) | of processor time | p99 ours | peak, ours / peer |',
  );
  print('|---|---|---|---|---|---|---|---|');
  print(rows.join('').trimEnd());
}

function options() {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        threads: { type: 'string', default: String(machineThreads()) },
      },
    });
  } catch (error) {
    fail(`${error.message}; ${usage}`, 2);
  }
  const { values, positionals } = parsed;
  const unknown = positionals.find((name) => !available.includes(name));
  if (unknown !== undefined) {
    fail(`expected names among ${available.join(', ')}, received ${unknown}`, 2);
  }
  return { ...values, names: positionals.length > 0 ? positionals : available };
}

function machineThreads() {
  return process.env.SIMGPT_THREADS ?? availableParallelism();
}

function print(text) {
  process.stdout.write(`${text}\n`);
}

function fail(message, code) {
  process.stderr.write(`simgpt: ${message}\n`);
  process.exit(code);
}
