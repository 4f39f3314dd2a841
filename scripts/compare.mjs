// Trains the same thing in two ways and says which scores higher, or whether both are one.
//   npm run compare -- NAME … [--python VENV/bin/python] [--work DIR] [--threads n] [--quick]
// Names are the files of scripts/compare with a question on their first line; minutes each, and the
// folder of shared data is needed. A finished run in DIR (default build/compare) is not trained again.
// What is worth keeping goes to bench/runs/NAME, unless --quick. Exit code 1 where a figure that must
// hold does not.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { describeMachine } from '../bench/machine.mjs';
import { packageScript, root } from './setup/paths.mjs';

const folder = join(root, 'scripts/compare');
const question = (file) => readFileSync(join(folder, file), 'utf8').split('\n')[0];
const names = readdirSync(folder)
  .filter((file) => /^\/\/ .*\?$/.test(question(file)))
  .map((file) => file.replace('.mjs', ''));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string' },
    work: { type: 'string', default: join(root, 'build/compare') },
    threads: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
const unknown = positionals.find((name) => !names.includes(name));
if (unknown !== undefined || positionals.length === 0) {
  fail(`expected names among ${names.join(', ')}, received ${unknown ?? 'none'}`, 2);
}
const threads = values.threads === undefined ? undefined : Number(values.threads);
if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
  fail(`expected --threads > 0, received ${values.threads}`, 2);
}
// Asked before anything is stored: what a comparison writes is no change of what it compares.
const machine = describeMachine(root);
const shared = resolve(process.env.SIMGPT_SHARED ?? join(root, '../shared'));
if (!existsSync(join(shared, 'data/sts'))) {
  fail(`expected the folder of shared data at ${shared}; SIMGPT_SHARED names another`, 1);
}

execFileSync(process.execPath, [packageScript('typescript', 'tsc'), '-b'], {
  cwd: root,
  stdio: 'inherit',
});
for (const name of positionals) {
  process.stdout.write(`\n=== ${name}: ${question(`${name}.mjs`).slice(3)}\n`);
  // Quick runs are apart: their folders are of other plans.
  const work = join(resolve(values.work), values.quick ? 'quick' : '');
  const store = values.quick ? join(work, 'stored', name) : join(root, 'bench/runs', name);
  rmSync(store, { recursive: true, force: true });
  for (const path of [work, store]) mkdirSync(path, { recursive: true });
  const { compare } = await import(`./compare/${name}.mjs`);
  const { python, quick } = values;
  const { holds, table } = await compare({ shared, work, store, python, quick, threads });
  process.stdout.write(`${table.join('\n')}\n`);
  writeFileSync(join(store, 'README.md'), pageOf(name, table));
  if (!holds) process.exitCode = 1;
}

/** The question, how it was asked, and the answer: bench/runs/NAME/README.md. */
function pageOf(name, table) {
  const lines = readFileSync(join(folder, `${name}.mjs`), 'utf8').split('\n');
  const [asked, , ...about] = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('//')),
  );
  const text = (line) => line.slice(3);
  const { date, commit, cpu, cores, node } = machine;
  const made = `\`npm run compare -- ${name}\`, ${date}, commit ${commit}, Node ${node}, ${cpu}, ${cores} cores`;
  const parts = [[`# ${text(asked)}`], about.map(text), table, [made]];
  return `${parts.map((part) => part.join('\n')).join('\n\n')}\n`;
}

function fail(message, code) {
  process.stderr.write(`simgpt: ${message}\n`);
  process.exit(code);
}
