import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';

import type { Encoder } from '../encoder/encoder.js';
import { SimgptError } from '../errors.js';
import { interruptSignal } from './interrupt.js';
import { integerArgument } from './model_options.js';
import { forTerminalLine } from './terminal.js';

/** The model shown where none is named. */
const defaultModel = 'sentence-transformers/all-MiniLM-L6-v2';
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
/** A folder of models and data beside the checkout, where there is one. */
const sharedFolder = join(packageRoot, '../shared');

const sentences = [
  'The ferry to the island leaves twice a day.',
  'Boats cross to the island in the morning and in the evening.',
  'She fixed the puncture and rode home.',
  'After repairing the flat tyre, the cyclist went home.',
  'The bakery sells out of rye bread before nine.',
  'By nine in the morning no rye loaves are left.',
  'Our train was delayed by fallen trees.',
  'A storm had blocked the railway line.',
  'The committee postponed its vote on the budget.',
];
const queries = [
  'How do I get to the island?',
  'repairing a bicycle',
  'late because of the weather',
];

export function register(program: Command): void {
  program
    .command('start')
    .description('show the whole path: load a model, embed, find nearest sentences, score STS')
    .option('--model <path-or-id>', 'model folder or hub id (default: SIMGPT_MODEL, else MiniLM)')
    .option('--data <dir>', 'folder of the STS sets (default: ../shared/data/sts where it exists)')
    .addOption(
      new Option(
        '--threads <n>',
        'processors to use (default: SIMGPT_THREADS, else all)',
      ).argParser(integerArgument(1, 1024)),
    )
    .action(async ({ model, data, threads }) => {
      const signal = interruptSignal();
      const { Encoder } = await import('../encoder/encoder.js');
      const source = model ?? process.env['SIMGPT_MODEL'] ?? (await findDefaultModel());
      const started = performance.now();
      await using encoder = await Encoder.load(source, {
        precision: 'float32',
        threads,
        signal,
      }).catch((error: unknown) => {
        throw explain(error, source);
      });
      describeModel(encoder, performance.now() - started);
      await showNearest(encoder, signal);
      await showSts(encoder, data, signal);
    });
}

/** The cache first, then the folder beside the checkout; the hub is left to the loader. */
async function findDefaultModel(): Promise<string> {
  const { resolveModel } = await import('../encoder/hub.js');
  try {
    await resolveModel(defaultModel, { offline: true });
    return defaultModel;
  } catch (error) {
    if (!(error instanceof SimgptError && error.code === 'offline')) throw error;
  }
  const beside = join(sharedFolder, 'models/all-MiniLM-L6-v2');
  return existsSync(beside) ? beside : defaultModel;
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

async function showNearest(encoder: Encoder, signal: AbortSignal): Promise<void> {
  const { embeddings, shape } = await encoder.embed([...queries, ...sentences], {
    normalize: true,
    signal,
  });
  const row = (i: number) => embeddings.subarray(i * shape[1], (i + 1) * shape[1]);
  console.log(`Nearest of ${sentences.length} sentences, by cosine:`);
  for (const [q, query] of queries.entries()) {
    const ranked = sentences
      .map((sentence, s) => ({ sentence, cosine: dot(row(q), row(queries.length + s)) }))
      .sort((a, b) => b.cosine - a.cosine);
    console.log(`\n  ${query}`);
    for (const { sentence, cosine } of ranked.slice(0, 2)) {
      console.log(`    ${cosine.toFixed(3)}  ${sentence}`);
    }
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

async function showSts(
  encoder: Encoder,
  data: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const folder = data ?? join(sharedFolder, 'data/sts');
  if (data === undefined && !existsSync(folder)) {
    console.log(
      '\nNo STS sets found. Fetch them once with `simgpt evaluate sts --fetch DIR`, then score ' +
        'this or any model with `simgpt evaluate sts --model M --data DIR`.',
    );
    return;
  }
  const [sts, { evaluateSts }, { createStsReport }, { stsReportAsTable }, { modelSettings }] =
    await Promise.all([
      import('../evaluate/sts_data.js'),
      import('../evaluate/sts.js'),
      import('../evaluate/report.js'),
      import('../evaluate/report_formats.js'),
      import('../evaluate/model_settings.js'),
    ]);
  const sets = await sts.loadStsData({ folders: [folder], protocol: 'mteb', signal });
  console.log('\nScoring the seven STS test sets (Spearman x 100, 95 % interval) ...\n');
  const started = performance.now();
  const scores = await evaluateSts(encoder, sets, { signal });
  const seconds = (performance.now() - started) / 1000;
  console.log(stsReportAsTable(createStsReport({ settings: modelSettings(encoder, {}), scores })));
  console.log(
    `${scores.distinctTexts} distinct texts encoded and scored in ${seconds.toFixed(1)} s ` +
      `(${Math.round(scores.distinctTexts / seconds)} texts/s)`,
  );
}
