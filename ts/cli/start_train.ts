// The training step of `simgpt start`: a few steps on what the rehearsal wrote.
import { join } from 'node:path';

import type { Encoder } from '../encoder/encoder.js';
import { SimgptError } from '../errors.js';
import type { GradedPairsScore } from '../evaluate/graded_pairs.js';
import { scoreOwnPairs } from './start_steps.js';
import { forTerminalLine } from './terminal.js';

/** What a few steps made of the model. */
export interface TrainedFew {
  readonly folder: string;
  readonly steps: number;
  readonly seconds: number;
  readonly meanLoss: number;
  /** On the package's own graded pairs. */
  readonly after: GradedPairsScore;
}

export interface TrainFewOptions {
  readonly encoder: Encoder;
  /** The triples. */
  readonly data: string;
  readonly folder: string;
  readonly threads: number | undefined;
  readonly signal: AbortSignal;
}

const steps = 8;

/** The model's own pooling and head; small enough for seconds on two cores. */
const settings = {
  pooling: 'asModel',
  head: { train: 'asModel', test: 'asModel' },
  seeds: [42],
  batchSize: 32,
  learningRate: 2e-5,
  evaluateEvery: steps / 2,
} as const;

/**
 * Trains a copy of the model by Sim-GPT's recipe, chosen by the dev rows of the package's own pairs,
 * scored by the test rows. A run that is finished is left as it is. Undefined where the model cannot be
 * trained here, with the reason on stdout.
 */
export async function trainFew(options: TrainFewOptions): Promise<TrainedFew | undefined> {
  const { encoder, data, threads, signal } = options;
  const [{ train }, { shippedData }, loaded] = await Promise.all([
    import('../train/train.js'),
    import('../generate/shipped_data.js'),
    import('../encoder/encoder.js'),
  ]);
  // A folder of its own for each model: a run goes on in the folder of its own kind alone.
  const name = encoder.checkpoint.id.replace(/[^A-Za-z0-9.-]+/g, '-');
  const output = join(options.folder, name);
  const started = performance.now();
  const run = await train({
    recipe: 'simgpt-simcse',
    model: encoder.checkpoint.dir,
    data,
    output,
    dev: shippedData('pairs.tsv'),
    settings: { ...settings, seeds: [...settings.seeds] },
    maxSteps: steps,
    threads,
    signal,
  }).catch((error: unknown) => {
    const expected = ['unsupported', 'outputExists'];
    if (!(error instanceof SimgptError && expected.includes(error.code))) throw error;
    console.log(`Not trained: ${forTerminalLine(error.message, 1000)}\n`);
    return undefined;
  });
  const [result] = run?.runs ?? [];
  if (result === undefined) return undefined;
  const losses = await lossesOf(result.folder);
  await using trained = await loaded.Encoder.load(join(result.folder, 'model'), {
    precision: 'float32',
    threads,
    signal,
  });
  return {
    folder: result.folder,
    steps: result.steps,
    seconds: (performance.now() - started) / 1000,
    meanLoss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    after: await scoreOwnPairs(trained, signal, 'test'),
  };
}

/** The loss of each step, as the run recorded it. */
async function lossesOf(folder: string): Promise<readonly number[]> {
  const { readTextLines } = await import('../generate/shipped_data.js');
  const lines = await readTextLines(join(folder, 'metrics.jsonl'));
  return lines.flatMap((line) => {
    const { kind, loss } = JSON.parse(line) as { kind: string; loss?: number };
    return kind === 'step' && loss !== undefined ? [loss] : [];
  });
}
