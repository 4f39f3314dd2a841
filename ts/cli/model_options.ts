import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import type { Encoder, LoadOptions } from '../encoder/encoder.js';
import { heads, poolings } from '../encoder/pooling.js';
import type { Head, Pooling } from '../encoder/pooling.js';
import type { SentenceEmbedOptions } from '../encoder/sentence_encoder.js';
import { shippedModelName } from '../encoder/shipped_model.js';

/** What the options common to every command that runs a model come to. */
export interface ModelFlags {
  readonly model: string;
  readonly revision?: string;
  readonly pooling?: readonly Pooling[];
  readonly head?: Head;
  readonly prompt?: string;
  readonly normalize?: boolean;
  readonly dimensions?: number;
  readonly batchTokens?: number;
  readonly maxTokens?: number;
  readonly precision: 'auto' | 'float32' | 'bfloat16';
  readonly threads?: number;
  readonly device: 'cpu' | 'cuda';
}

/** Reads an option's value as an integer in a range; commander adds the option's name. */
export function integerArgument(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(
        `expected an integer from ${least} to ${most}, received ${text}`,
      );
    }
    return value;
  };
}

/** Reads `a,b` as a list of names out of `choices`. */
export function listArgument<T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((name) => {
      const choice = choices.find((candidate) => candidate === name.trim());
      if (choice === undefined) {
        throw new InvalidArgumentError(
          `expected names out of ${choices.join(', ')}, received ${name}`,
        );
      }
      return choice;
    });
}

/** `--model`, which has a default: the model that comes with the package. */
export function modelOption(text: string): Option<'--model <path or id>', undefined, string> {
  return new Option('--model <path or id>', text).env('SIMGPT_MODEL').default(shippedModelName);
}

/** The options of every command that runs a model, in the order of its help. */
export function modelOptions(defaults: { readonly precision: ModelFlags['precision'] }): Option[] {
  const integer = (flags: string, text: string, most: number): Option =>
    new Option(flags, text).argParser(integerArgument(1, most));
  return [
    modelOption('model folder or hub id'),
    new Option('--revision <name>', 'branch, tag or commit of a hub model'),
    new Option(
      '--pooling <names>',
      `how token states become one vector, joined by commas: ${poolings.join(', ')}`,
    ).argParser(listArgument(poolings)),
    new Option('--head <name>', 'what follows pooling').choices(heads),
    new Option('--prompt <name>', "one of the model's prompts, or none"),
    new Option('--normalize', 'give vectors unit length (default: as the model says)'),
    new Option('--no-normalize', 'leave their length as it comes'),
    integer('--dimensions <n>', 'keep only so many leading dimensions', 65536),
    integer('--batch-tokens <n>', 'most tokens computed at once', 2 ** 30),
    integer('--max-tokens <n>', 'cut texts at fewer tokens than the model allows', 2 ** 24),
    new Option('--precision <name>', 'number type of the computation')
      .choices(['auto', 'float32', 'bfloat16'])
      .default(defaults.precision),
    integer('--threads <n>', 'processors to use (default: SIMGPT_THREADS, else all)', 1024),
    new Option('--device <name>', 'where to compute').choices(['cpu', 'cuda']).default('cpu'),
  ];
}

/** Loads the model that the options name. */
export async function loadModel(flags: ModelFlags, signal: AbortSignal): Promise<Encoder> {
  const { Encoder } = await import('../encoder/encoder.js');
  const options: LoadOptions = {
    device: flags.device,
    precision: flags.precision,
    threads: flags.threads,
    pooling: flags.pooling,
    head: flags.head,
    maxTokens: flags.maxTokens,
    revision: flags.revision,
    signal,
  };
  return Encoder.load(flags.model, options);
}

/** The options of `embed` among them. */
export function embedOptions(flags: ModelFlags): Omit<SentenceEmbedOptions, 'signal'> {
  return {
    normalize: flags.normalize,
    dimensions: flags.dimensions,
    batchTokens: flags.batchTokens,
    ...(flags.prompt === 'none' ? { promptText: '' } : { prompt: flags.prompt }),
  };
}
