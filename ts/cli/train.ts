import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';

import { exportDtypes } from '../encoder/export.js';
import type { ExportDtype } from '../encoder/export.js';
import { poolings } from '../encoder/pooling.js';
import type { Settings } from '../train/recipe_schema.js';
import type { Spread } from '../train/seeds.js';
import type { RunEvent, TrainOptions, TrainResult } from '../train/train.js';
import type { TrainingFile } from '../train/training_data.js';
import { exampleOptions, readingOf } from './example_options.js';
import type { ExampleFlags } from './example_options.js';
import { exitCodes } from './exit_codes.js';
import { interruptSignal } from './interrupt.js';
import { integerArgument, modelOption } from './model_options.js';
import { printJson } from './print.js';
import { forTerminalLine } from './terminal.js';
import { showTraining } from './train_progress.js';

interface TrainFlags extends ExampleFlags {
  readonly model: string;
  readonly revision?: string;
  readonly data: readonly string[];
  readonly weight?: readonly number[];
  readonly output: string;
  readonly dev?: string;
  readonly test?: string;
  readonly variant?: string;
  readonly row?: TrainOptions['row'];
  readonly pooling?: Settings['pooling'];
  readonly head?: Settings['head']['train'];
  readonly set?: Readonly<Record<string, unknown>>;
  readonly maxSteps?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly epochs?: number;
  readonly seed?: readonly number[];
  readonly evaluateEvery?: number;
  readonly checkpointEvery?: number;
  readonly exportDtype?: ExportDtype;
  readonly patience?: number;
  readonly dedupe?: boolean;
  readonly excludeOverlap?: boolean;
  readonly reference?: string;
  readonly teacher?: string;
  readonly device: 'cpu' | 'cuda';
  readonly precision: 'auto' | 'float32' | 'bfloat16';
  readonly threads?: number;
  readonly chunkTokens?: number;
  readonly strict?: boolean;
  readonly json?: boolean;
}

const most = Number.MAX_SAFE_INTEGER;

export function register(program: Command): void {
  const command = program
    .command('train')
    .description('train a model by a recipe; the same command goes on where it was stopped')
    .argument('<recipe>', 'a recipe’s name, or the path of a .json file')
    .requiredOption(
      '--data <file>',
      'jsonl, csv, tsv, txt or parquet, also gzipped; may be repeated',
      collect,
    )
    .requiredOption('--output <folder>', 'the run folder: new, or of this run')
    .addOption(modelOption('what is trained'))
    .option('--revision <name>', 'branch, tag or commit of a hub model')
    .option(
      '--dev <path>',
      'folder of stsb.tsv (and sickr.tsv), or one file of graded pairs, to choose the best model by',
    )
    .option('--test <folder>', 'the seven STS sets, scored at the end and never chosen by')
    .option('--variant <name>', "another set of the recipe's values, such as released")
    .addOption(
      new Option('--row <name>', 'the published row to take (default: by the model)').choices([
        'bert-base',
        'bert-large',
        'roberta-base',
        'roberta-large',
      ]),
    )
    .addOption(
      new Option('--pooling <name>', 'instead of the recipe’s').choices(['asModel', ...poolings]),
    )
    .addOption(
      new Option('--head <name>', 'in training and after it, instead of the recipe’s').choices([
        'asModel',
        'none',
        'mlp',
      ]),
    )
    .addOption(
      new Option('--export-dtype <name>', 'how the weights of model/ are stored').choices(
        exportDtypes,
      ),
    )
    .option('--set <name=json>', 'any setting of the recipe; may be repeated', setting)
    .option('--weight <n>', 'how often an epoch holds the rows of each --data, in order', weights)
    .option('--seed <n,n>', 'one seed, or several for mean and spread', seedList)
    .option('--learning-rate <x>', 'instead of the recipe’s', positiveNumber);
  for (const option of exampleOptions()) command.addOption(option);
  const integers: readonly (readonly [flags: string, text: string, least?: number])[] = [
    ['--max-steps <n>', 'end there, the schedule too'],
    ['--batch-size <n>', 'examples in a step'],
    ['--epochs <n>', 'times through the data'],
    ['--eval-every, --evaluate-every <k>', 'steps between two looks at the dev sets'],
    ['--checkpoint-every <k>', 'steps between checkpoints (default: as it evaluates)'],
    ['--patience <n>', 'evaluations without a better score before it stops'],
    ['--threads <n>', 'processors to use (default: SIMGPT_THREADS, else all)'],
    [
      '--chunk-tokens <n>',
      'most tokens with a gradient in memory at once (default: what 768 MB hold, 8 GB on cuda)',
    ],
  ];
  for (const [flags, text, least = 1] of integers) {
    command.addOption(new Option(flags, text).argParser(integerArgument(least, most)));
  }
  command
    .addOption(
      new Option('--device <name>', 'where to train').choices(['cpu', 'cuda']).default('cpu'),
    )
    .addOption(
      new Option('--precision <name>', 'of matrix products; auto: bfloat16 on cuda, else float32')
        .choices(['auto', 'float32', 'bfloat16'])
        .default('auto'),
    )
    .option('--dedupe', 'leave out rows whose texts an earlier row has')
    .option(
      '--exclude-overlap',
      'leave out rows that share a text with a set of --dev, --test or an STS set beside --dev',
    )
    .option('--strict', 'stop at the first bad row')
    .option('--reference <path or id>', 'the encoder that tells false negatives')
    .option(
      '--teacher <path or id>',
      'the encoder whose vectors a distillation learns (default: the model a student is made of)',
    )
    .option('--json', 'print every event as a line of JSON')
    .addHelpText('after', help)
    .action((recipe, flags) => run(recipe, flags));
}

const help = `
Recipes
  simcse-unsup, simcse-sup, promcse-unsup, promcse-sup, simgpt-simcse, simgpt-promcse, multicsr,
  syncse-partial, syncse-scratch, distil-small; each a file of published values with their sources.

Examples
  simgpt train simcse-sup --model M --data triples.tsv --dev sts --output run
  simgpt train simcse-sup --model sentence-transformers/all-MiniLM-L6-v2 --pooling asModel \\
    --head none --data triples.tsv --dev sts --test sts --output run
  simgpt train simcse-unsup --model M --data sentences.txt.gz --output run --max-steps 1000
  simgpt train simcse-sup --model M --data a.jsonl --data b.jsonl --weight 1 --weight 0.5 \\
    --columns anchor=premise --set maxTokens=64 --seed 1,2,3 --output runs
`;

function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError(`expected a number > 0, received ${text}`);
}

function weights(text: string, earlier: readonly number[] | undefined): readonly number[] {
  return [...(earlier ?? []), positiveNumber(text)];
}

function seedList(text: string): readonly number[] {
  return text.split(',').map((part) => integerArgument(0, most)(part.trim()));
}

function setting(text: string, earlier: Readonly<Record<string, unknown>> | undefined) {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`expected name=json, received ${text}`);
  const [name, json] = [text.slice(0, at), text.slice(at + 1)];
  try {
    return { ...earlier, [name]: JSON.parse(json) as unknown };
  } catch {
    throw new InvalidArgumentError(`expected JSON after ${name}=, received ${json}`);
  }
}

async function run(recipe: string, flags: TrainFlags): Promise<void> {
  const { train } = await import('../train/train.js');
  const display = showTraining(flags.json === true);
  const options: TrainOptions = {
    recipe,
    model: flags.model,
    revision: flags.revision,
    data: dataFiles(flags),
    output: flags.output,
    dev: flags.dev,
    test: flags.test,
    variant: flags.variant,
    row: flags.row,
    settings: settingsOf(flags),
    maxSteps: flags.maxSteps,
    checkpointEvery: flags.checkpointEvery,
    dedupe: flags.dedupe,
    excludeOverlap: flags.excludeOverlap,
    strict: flags.strict,
    reference: flags.reference,
    teacher: flags.teacher,
    compute: { device: flags.device, precision: flags.precision },
    threads: flags.threads,
    chunkTokens: flags.chunkTokens,
    signal: interruptSignal(),
    onEvent: (event: RunEvent) => display.show(event),
  };
  const result = await train(options).finally(display.stop);
  if (flags.json) {
    await printJson({ kind: 'result', ...result });
  } else {
    process.stderr.write(describe(result));
  }
  process.exitCode = result.data.bad > 0 ? exitCodes.partial : exitCodes.done;
}

function settingsOf(flags: TrainFlags): Partial<Settings> {
  const { batchSize, learningRate, epochs, evaluateEvery, patience, pooling, exportDtype } = flags;
  const head = flags.head === undefined ? undefined : { train: flags.head, test: flags.head };
  const numbers = { batchSize, learningRate, epochs, evaluateEvery, patience };
  const given = { ...numbers, pooling, head, exportDtype, seeds: flags.seed };
  const stated = Object.entries(given).filter(([, value]) => value !== undefined);
  // Names and values of --set are checked with the recipe's own.
  return { ...flags.set, ...Object.fromEntries(stated) };
}

function dataFiles(flags: TrainFlags): readonly TrainingFile[] {
  const { data, weight = [] } = flags;
  if (weight.length > 0 && weight.length !== data.length) {
    throw new RangeError(
      `expected one --weight for each of ${data.length} --data, received ${weight.length}`,
    );
  }
  const reading = readingOf(flags);
  return data.map((path, i) => ({ path, weight: weight[i], ...reading }));
}

function describe({ output, runs, summary, data }: TrainResult): string {
  const name = (path: string): string => forTerminalLine(path, 1000);
  const lines = runs.map(({ seed, steps, selected, testScore, truncated, folder }) => {
    const dev = selected.score === null ? '' : `, dev ${hundredfold(selected.score)}`;
    const test = testScore === null ? '' : `, test ${hundredfold(testScore)}`;
    const cut = truncated > 0 ? `, ${truncated} texts cut` : '';
    return `seed ${seed}: ${steps} steps${cut}, step ${selected.step} selected${dev}${test}: ${name(folder)}/model`;
  });
  lines.push(...spreadLine('dev', summary?.devScore), ...spreadLine('test', summary?.testScore));
  if (data.bad > 0) {
    lines.push(`${data.bad} bad rows in ${name(output)}/data.quarantine.jsonl`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function spreadLine(what: string, spread: Spread | null | undefined): string[] {
  if (spread === null || spread === undefined) return [];
  const { mean, sd, min, max } = spread;
  const [m, s, low, high] = [mean, sd ?? 0, min, max].map(hundredfold);
  return [`${what} over the seeds: mean ${m}, sd ${s}, min ${low}, max ${high}`];
}

function hundredfold(rho: number): string {
  return (100 * rho).toFixed(2);
}
