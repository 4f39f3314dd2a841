// Does one epoch of ours end where sentence-transformers' own trainer ends?
//
// all-MiniLM-L6-v2 on the NLI triples by the values of `simcse-sup`, batch 64, dropout off, the same
// batches on both sides: ours, written to a file. Both models are scored by us. Rows whose hard
// negative is their own positive are left out: we never count such a text as a negative, they do.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { prepareRun } from '../../dist/train/prepare.js';
import { root } from '../setup/paths.mjs';
import {
  asMiniLm,
  keepRun,
  modelName,
  nliFile,
  print,
  readEvaluation,
  readMetrics,
  scoreModel,
  trainArm,
} from './arms.mjs';

const seed = 42;
const wantedDifference = 0.05;
const wantedLoss = 1e-5;

export async function compare({ shared, work, store, python, quick, threads }) {
  if (python === undefined) {
    throw new Error('expected --python with sentence-transformers, datasets and accelerate');
  }
  const model = join(shared, 'models', modelName);
  const data = { ...nliFile(shared), path: join(work, 'trainer.tsv') };
  const left = writeData(nliFile(shared).path, data.path);
  const settings = {
    ...asMiniLm,
    batchSize: 64,
    epochs: 1,
    seeds: [seed],
    dropout: { hidden: 0, attention: 0 },
    evaluateEvery: 1000,
  };
  const maxSteps = quick ? 4 : undefined;
  const inputs = { recipe: 'simcse-sup', model, data: [data], settings, maxSteps };
  const batches = join(work, 'trainer-batches.jsonl');
  const steps = await writeBatches(inputs, batches);
  print(`  ${left} rows left out, ${steps} steps`);

  const ours = join(work, 'trainer-ours');
  await trainArm(ours, { ...inputs, threads });
  const theirs = join(work, 'trainer-sentence-transformers');
  runPeer(python, { model, batches, output: theirs, threads: threads ?? 2 });

  const losses = compareLosses(ours, theirs);
  const evaluation = await readEvaluation(shared);
  const score = async (folder, file) =>
    Object.values(await scoreModel(folder, evaluation, { file, threads }))[0];
  const scores = {
    untouched: await score(model, join(work, 'untouched-scores.json')),
    simgpt: await score(join(ours, 'model'), join(ours, 'scores.json')),
    'sentence-transformers': await score(join(theirs, 'model'), join(theirs, 'scores.json')),
  };
  const difference = scores.simgpt.average - scores['sentence-transformers'].average;
  const holds = Math.abs(difference) <= wantedDifference && losses.firstStep <= wantedLoss;
  const outcome = { steps, leftOut: left, seed, scores, difference, losses, holds };
  writeFileSync(join(store, 'outcome.json'), `${JSON.stringify(outcome, undefined, 1)}\n`);
  keepRun(ours, store, true);
  copyFileSync(join(theirs, 'losses.jsonl'), join(store, 'sentence-transformers.jsonl'));
  return { holds, table: tableOf({ scores, losses, difference }) };
}

function tableOf({ scores, losses, difference }) {
  const tasks = Object.keys(scores.untouched);
  const row = (name, cells) => `| ${[name, ...cells].join(' | ')} |`;
  const shown = (name) =>
    row(
      name,
      tasks.map((task) => scores[name][task].toFixed(3)),
    );
  const apart = (key) => losses[key].toExponential(1);
  return [
    row('Spearman x 100', tasks),
    row(
      '---',
      tasks.map(() => '---:'),
    ),
    ...Object.keys(scores).map(shown),
    '',
    `Difference of the averages ${difference.toFixed(4)}, wanted at most ${wantedDifference}. Losses`,
    `apart, relative: first step ${apart('firstStep')} (wanted ${wantedLoss}), largest of the first`,
    `ten ${apart('firstTen')}, of all ${apart('allSteps')}, last ${apart('lastStep')}.`,
  ];
}

function writeData(from, to) {
  const [header, ...rows] = readFileSync(from, 'utf8').trimEnd().split('\n');
  const same = (text) => text.trim().toLowerCase();
  const kept = rows.filter((row) => {
    const [, , anchor, positive, negative] = row.split('\t').map(same);
    return negative !== positive && negative !== anchor;
  });
  writeFileSync(to, `${[header, ...kept].join('\n')}\n`);
  return rows.length - kept.length;
}

async function writeBatches(inputs, path) {
  const prepared = await prepareRun(inputs);
  const batches = prepared.batchesOf(seed);
  const steps = prepared.totalStepsOf(batches);
  const lines = Array.from({ length: steps }, (_, step) => {
    const { examples } = batches.batchAt(step);
    return JSON.stringify({
      anchor: examples.map(({ anchor }) => anchor),
      positive: examples.map(({ positive }) => positive),
      negative: examples.map(({ hardNegatives }) => hardNegatives[0]),
    });
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
  return steps;
}

function runPeer(python, { model, batches, output, threads }) {
  if (existsSync(join(output, 'model'))) return;
  const script = join(root, 'scripts/python/sentence_transformers_trainer.py');
  const { status, error } = spawnSync(python, [script, model, batches, output, String(threads)], {
    stdio: 'inherit',
    env: { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' },
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`expected the peer to end with 0, received ${status}`);
}

/** Relative differences of the losses, step by step. */
function compareLosses(ours, theirs) {
  const peer = readFileSync(join(theirs, 'losses.jsonl'), 'utf8').trim().split('\n');
  const own = readMetrics(ours);
  if (own.length !== peer.length) {
    throw new Error(`expected ${own.length} losses of the peer, received ${peer.length}`);
  }
  const apart = own.map(({ loss }, i) => Math.abs(loss / JSON.parse(peer[i]).loss - 1));
  return {
    firstStep: apart[0],
    firstTen: Math.max(...apart.slice(0, 10)),
    allSteps: Math.max(...apart),
    lastStep: apart.at(-1),
  };
}
