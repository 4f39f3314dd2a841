// What does one epoch on the NLI triples, with dropout, make of all-MiniLM-L6-v2?
//
// One command of ours, three seeds, the values of `simcse-sup` but batch 64, MiniLM's own mean pooling and
// no head; the last model of each seed on the seven STS test sets beside the untouched one. No figure
// is asked of it: a model that was trained on a billion pairs may well lose by 8,740 triples.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from '../setup/paths.mjs';
import { keepRun, mean, modelName, nliColumns, print, spreadText } from './arms.mjs';

export async function compare({ shared, work, store, quick, threads }) {
  const output = join(work, 'dropout-seeds');
  const seeds = quick ? [1, 2] : [1, 2, 3];
  const sts = join(shared, 'data/sts');
  const args = ['train', 'simcse-sup', '--model', join(shared, 'models', modelName)];
  args.push('--pooling', 'asModel', '--head', 'none', '--batch-size', '64', '--epochs', '1');
  args.push('--data', join(shared, 'data/pairs/nli_triplets.tsv'));
  args.push('--column', `anchor=${nliColumns.anchor}`);
  args.push('--column', `hardNegatives=${nliColumns.hardNegatives.join()}`);
  // Looked at before and after alone: nothing is chosen, the last step's model is the result.
  args.push('--dev', sts, '--test', sts, '--eval-every', '1000', '--checkpoint-every', '20');
  args.push('--seed', seeds.join(), '--output', output);
  if (quick) args.push('--max-steps', '2');
  if (threads !== undefined) args.push('--threads', String(threads));
  const done = existsSync(join(output, 'seeds.json'));
  if (!done) run(args);
  copyFileSync(join(output, 'seeds.json'), join(store, 'seeds.json'));
  const tests = seeds.map((seed) => {
    const folder = join(output, `seed-${seed}`);
    keepRun(folder, join(store, `seed-${seed}`), true);
    copyFileSync(join(folder, 'evaluation.json'), join(store, `seed-${seed}`, 'evaluation.json'));
    return JSON.parse(readFileSync(join(folder, 'evaluation.json'), 'utf8'));
  });
  if (!quick) copyFileSync(join(output, 'seed-1/report.html'), join(store, 'report.html'));
  return { holds: true, table: tableOf(tests) };
}

function run(args) {
  print(`  simgpt ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, [join(root, 'bin/simgpt.mjs'), ...args], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`expected the run to end with 0, received ${status}`);
}

/** Markdown: untouched, mean (sd) of the seeds, and what that is more or less. */
function tableOf(evaluations) {
  const tests = evaluations.map(({ test }) => test);
  const rows = tests[0].tasks.map(({ name }, i) => ({
    name,
    before: tests[0].compare.tasks[i].spearman,
    after: tests.map(({ tasks }) => tasks[i].spearman),
  }));
  rows.push({
    name: 'average',
    before: tests[0].compare.average,
    after: tests.map(({ average }) => average),
  });
  const [dev] = evaluations[0].dev;
  rows.push({
    name: 'STS-B dev',
    before: 100 * dev.before.spearman,
    after: evaluations.map(({ dev: [set] }) => 100 * set.after.spearman),
  });
  return [
    '| | untouched | trained, mean (sd) | change |',
    '|---|---:|---:|---:|',
    ...rows.map(({ name, before, after }) => {
      const change = (mean(after) - before).toFixed(2);
      return `| ${name} | ${before.toFixed(2)} | ${spreadText(after)} | ${change} |`;
    }),
  ];
}
