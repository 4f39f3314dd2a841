import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';

import type { Encoder } from '../encoder/encoder.js';
import { SimgptError } from '../errors.js';
import type { GradedPairsScore } from '../evaluate/graded_pairs.js';
import { describePairs } from './evaluate_pairs.js';
import { interruptSignal } from './interrupt.js';
import { integerArgument, modelOption } from './model_options.js';
import { findNearest, nearerPositives, rehearse, scoreOwnPairs, scoreSts } from './start_steps.js';
import type { NearestTexts, Rehearsed, StsTable } from './start_steps.js';
import type { TrainedFew } from './start_train.js';
import { forTerminal, forTerminalLine } from './terminal.js';

const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
/** A folder of models and data beside the checkout, where there is one. */
const sharedFolder = join(packageRoot, '../shared');

const queries = [
  'How do I get to the island?',
  'repairing a bicycle',
  'late because of the weather',
];

export function register(program: Command): void {
  program
    .command('start')
    .description('the whole path, offline: write examples by rule, train, search, score, reports')
    .addOption(modelOption('model folder or hub id'))
    .option('--data <dir>', 'folder of the STS sets (default: ../shared/data/sts where it exists)')
    .option('--no-sts', 'leave the STS sets out, which take most of the time')
    .option('--output <dir>', 'where what is written goes', 'simgpt-start')
    .addOption(
      new Option(
        '--threads <n>',
        'processors to use (default: SIMGPT_THREADS, else all)',
      ).argParser(integerArgument(1, 1024)),
    )
    .action(run);
}

interface StartFlags {
  readonly model: string;
  readonly data?: string | undefined;
  readonly sts: boolean;
  readonly output: string;
  readonly threads?: number | undefined;
}

async function run({ model, data, sts: scoresSts, output, threads }: StartFlags): Promise<void> {
  const signal = interruptSignal();
  const { Encoder } = await import('../encoder/encoder.js');
  const started = performance.now();
  await using encoder = await Encoder.load(model, { precision: 'float32', threads, signal }).catch(
    (error: unknown) => {
      throw explain(error, model);
    },
  );
  describeModel(encoder, performance.now() - started);
  console.log('Writing examples by rule from our own sentences (no key, no network) ...\n');
  const rehearsed = await rehearse(join(output, 'rehearsal'), encoder);
  printTriples(rehearsed);
  const pairs = await scoreOwnPairs(encoder, signal, 'test');
  const trained = await showTraining(encoder, output, pairs, threads, signal);
  const { readDataLines } = await import('../generate/shipped_data.js');
  const sentences = await readDataLines('sentences.txt');
  const nearest = await findNearest(encoder, queries, sentences, signal);
  printNearest(nearest, sentences.length);
  const own = await scoreOwnPairs(encoder, signal);
  console.log(`\n${forTerminalLine(encoder.checkpoint.id)}: ${describePairs(own)}`);
  const sts = scoresSts ? await showSts(encoder, data, signal) : undefined;
  const { writeStartReport } = await import('./start_report.js');
  const page = join(output, 'report.html');
  const findings = { model: encoder.checkpoint.id, rehearsed, trained, nearest, pairs, own, sts };
  await writeStartReport(page, findings);
  console.log(`\nTo open: ${forTerminalLine(page, 1000)}`);
}

function explain(error: unknown, source: string): unknown {
  const unreachable =
    error instanceof SimgptError &&
    ['offline', 'downloadFailed', 'toolMissing'].includes(error.code);
  if (!unreachable) return error;
  return new SimgptError(
    error.code,
    `${source} is neither in the Hugging Face cache nor could it be downloaded (${error.message}). ` +
      'Name a model folder with --model DIR or SIMGPT_MODEL, or copy one into the cache on a ' +
      'machine with network: any sentence-transformers folder with safetensors weights will do.',
    { cause: error },
  );
}

function describeModel(encoder: Encoder, loadMs: number): void {
  const { id, pooling, normalize, config } = encoder.checkpoint;
  console.log(
    `${forTerminalLine(id)}: ${config.layerCount} layers, ${encoder.dimensions} dimensions, ` +
      `${pooling.join('+')} pooling${normalize ? ', unit length' : ''}, ` +
      `at most ${encoder.maxTokens} tokens, ${encoder.precision} ` +
      `(loaded in ${(loadMs / 1000).toFixed(1)} s)\n`,
  );
}

function printTriples(rehearsed: Rehearsed): void {
  const { triples, folder } = rehearsed;
  for (const { anchor, positive, hardNegatives } of triples.slice(0, 2)) {
    console.log(`\n  anchor         ${forTerminalLine(anchor)}`);
    console.log(`  positive       ${forTerminalLine(positive)}`);
    console.log(`  hard negative  ${forTerminalLine(hardNegatives[0] ?? '')}`);
  }
  console.log(
    `\nThe positive is nearer than the hard negative in ${nearerPositives(rehearsed)} of ` +
      `${triples.length} examples. In ${forTerminalLine(folder, 1000)}: data, journal, answers.\n`,
  );
}

async function showTraining(
  encoder: Encoder,
  output: string,
  pairs: GradedPairsScore,
  threads: number | undefined,
  signal: AbortSignal,
): Promise<TrainedFew | undefined> {
  console.log('Training a copy of the model on them for a few steps (recipe simgpt-simcse) ...\n');
  const { trainFew } = await import('./start_train.js');
  const data = join(output, 'rehearsal/data.jsonl');
  const folder = join(output, 'trained');
  const trained = await trainFew({ encoder, data, folder, threads, signal });
  const before = `${pairs.pairs} of our graded pairs kept for it, Spearman x 100: ${hundredfold(pairs)}`;
  if (trained === undefined) {
    console.log(`${before}\n`);
    return undefined;
  }
  const { steps, meanLoss, seconds, after } = trained;
  console.log(
    `${steps} steps in ${seconds.toFixed(1)} s, mean loss ${meanLoss.toFixed(3)}; ` +
      `the model is in ${forTerminalLine(trained.folder, 1000)}/model\n` +
      `${before} before, ${hundredfold(after)} after\n`,
  );
  return trained;
}

function hundredfold({ spearman }: GradedPairsScore): string {
  return (100 * spearman).toFixed(2);
}

function printNearest(nearest: readonly NearestTexts[], count: number): void {
  console.log(`Nearest of ${count} sentences, by cosine:`);
  for (const { query, found } of nearest) {
    console.log(`\n  ${query}`);
    for (const { text, cosine } of found) console.log(`    ${cosine.toFixed(3)}  ${text}`);
  }
}

async function showSts(
  encoder: Encoder,
  data: string | undefined,
  signal: AbortSignal,
): Promise<StsTable | undefined> {
  const folder = data ?? join(sharedFolder, 'data/sts');
  if (data === undefined && !existsSync(folder)) {
    console.log(
      '\nNo STS sets found. Fetch them once with `simgpt evaluate sts --fetch DIR`, then score ' +
        'this or any model with `simgpt evaluate sts --model M --data DIR`.',
    );
    return undefined;
  }
  const { stsReportAsTable } = await import('../evaluate/report_formats.js');
  console.log('\nScoring the seven STS test sets (Spearman x 100, 95 % interval) ...\n');
  const sts = await scoreSts(encoder, folder, signal);
  console.log(forTerminal(stsReportAsTable(sts.report)));
  console.log(
    `${sts.texts} distinct texts encoded and scored in ${sts.seconds.toFixed(1)} s ` +
      `(${Math.round(sts.texts / sts.seconds)} texts/s)`,
  );
  return sts;
}
