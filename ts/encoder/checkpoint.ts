import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';

import { SimgptError } from '../errors.js';
import { readJsonFile } from '../files/json.js';
import type { JsonFile } from '../files/json.js';
import { fieldOf, choiceField, failField, refuseField, stringMapField } from './config_fields.js';
import { findInFolder, isFolder, requireInFolder } from './folder.js';
import { readModelConfig } from './model_config.js';
import type { ModelConfig } from './model_config.js';
import {
  checkNormalizeModule,
  joinName,
  readDenseModule,
  readModuleConfig,
  readModuleList,
  readTransformerSettings,
} from './modules.js';
import type { DenseModule, ModuleEntry } from './modules.js';
import {
  checkHead,
  checkPoolings,
  heads,
  poolingField,
  readPoolingModule,
  refuseExcludedPrompts,
} from './pooling.js';
import type { Head, Pooling } from './pooling.js';
import { inspectSafetensors } from './safetensors.js';
import { findTokenizer } from './tokenizer_source.js';
import type { TokenizerSource } from './tokenizer_source.js';
import { findWeights } from './weight_files.js';

/** A model folder, read and checked: everything an encoder is loaded from, as plain values. */
export interface Checkpoint {
  /** The folder, absolute. */
  readonly dir: string;
  /** What the caller named: a hub id, else the folder's name. */
  readonly id: string;
  /** The commit it was downloaded from, where known. */
  readonly revision: string | null;
  readonly config: ModelConfig;
  readonly tokenizer: TokenizerSource;
  /** Lower-case the text before the tokenizer (`do_lower_case`). */
  readonly lowercaseText: boolean;
  /** Absolute paths of the safetensors files: one, or the shards of the index. */
  readonly weights: readonly string[];
  /** Concatenated in order. */
  readonly pooling: readonly Pooling[];
  readonly head: Head;
  readonly dense: readonly DenseModule[];
  readonly normalize: boolean;
  /** Keys and values before those of the text in every layer; absent: none. */
  readonly deepPrompt?: DeepPrompt | undefined;
  /** Most tokens of a text, special ones included. */
  readonly maxTokens: number;
  readonly prompts: Readonly<Record<string, string>>;
  /** Name of the prompt used where the caller names none. */
  readonly defaultPrompt: string | null;
}

/** A prompt that was trained before a frozen encoder (METHODS 1.5). */
export interface DeepPrompt {
  /** Absolute path of a safetensors file with `prefix_encoder.embedding.weight`. */
  readonly path: string;
  /** Its rows, which take the first positions. */
  readonly length: number;
}

/** The name of a deep prompt's file, which `tools/convert.py` writes too. */
export const deepPromptFile = 'deep_prompt.safetensors';

/** What a folder may not say itself; see {@link readCheckpoint}. */
export interface CheckpointOptions {
  /** Needed for a plain Hugging Face folder; overrides what a sentence-transformers folder says. */
  readonly pooling?: Pooling | readonly Pooling[] | undefined;
  /** Default: what `simgpt.json` says, else 'none'. */
  readonly head?: Head | undefined;
  readonly id?: string | undefined;
  readonly revision?: string | null | undefined;
}

/** Our own file beside the published ones: what they cannot express. */
export const ownFileName = 'simgpt.json';

/** Prompts, as sentence-transformers writes them. */
export const promptsFileName = 'config_sentence_transformers.json';

interface OwnSettings {
  readonly pooling: readonly Pooling[] | undefined;
  readonly head: Head;
}

async function readOwnSettings(dir: string): Promise<OwnSettings> {
  const path = await findInFolder(dir, ownFileName);
  if (path === undefined) return { pooling: undefined, head: 'none' };
  const file = await readJsonFile(path);
  refuseField(file, 'formatVersion', [1]);
  const choices = new Map(heads.map((head) => [head as string, head]));
  return {
    pooling: poolingField(file, 'pooling'),
    head: choiceField(file, 'head', choices, 'none', 'modelInvalid'),
  };
}

interface Prompts {
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPrompt: string | null;
}

async function readPrompts(dir: string): Promise<Prompts> {
  const path = await findInFolder(dir, promptsFileName);
  if (path === undefined) return { prompts: {}, defaultPrompt: null };
  const file = await readJsonFile(path);
  refuseField(file, 'model_type', ['SentenceTransformer']);
  const prompts = stringMapField(file, 'prompts');
  const defaultPrompt = fieldOf(file, 'default_prompt_name') ?? null;
  if (defaultPrompt === null) return { prompts, defaultPrompt };
  if (typeof defaultPrompt !== 'string' || !Object.hasOwn(prompts, defaultPrompt)) {
    failField(
      file,
      'default_prompt_name',
      `a name in prompts (${Object.keys(prompts).join(', ')})`,
    );
  }
  return { prompts, defaultPrompt };
}

/** What the modules after the transformer say. */
interface Tail {
  readonly pooling: readonly Pooling[];
  readonly dense: readonly DenseModule[];
  readonly normalize: boolean;
}

async function readTail(
  dir: string,
  entries: readonly ModuleEntry[],
  hiddenSize: number,
  prompts: Readonly<Record<string, string>>,
  stated: readonly Pooling[] | undefined,
): Promise<Tail> {
  let pooling: readonly Pooling[] = [];
  const dense: DenseModule[] = [];
  let normalize = false;
  for (const entry of entries) {
    if (entry.kind === 'pooling') {
      const file = await readModuleConfig(dir, entry);
      const module = readPoolingModule(file, hiddenSize, stated);
      refuseExcludedPrompts(file, module.includePrompt, prompts);
      pooling = module.pooling;
    } else if (entry.kind === 'dense') {
      const inputSize = dense.at(-1)?.outFeatures ?? hiddenSize * pooling.length;
      dense.push(await readDenseModule(dir, entry, inputSize));
    } else if (entry.kind === 'normalize') {
      await checkNormalizeModule(dir, entry);
      normalize = true;
    }
  }
  return { pooling, dense, normalize };
}

function plainTail(dir: string, stated: readonly Pooling[] | undefined): Tail {
  if (stated === undefined) {
    throw new SimgptError(
      'modelInvalid',
      `${dir}: expected the pooling to be stated for a plain Hugging Face folder (it has no ` +
        'modules.json and pooling is never guessed), received none: pass --pooling cls, mean or ' +
        `another, and --head pooler or mlp where it has one`,
    );
  }
  return { pooling: stated, dense: [], normalize: false };
}

function checkHeadFits(dir: string, head: Head, pooling: readonly Pooling[]): void {
  if (head === 'none' || pooling.length === 1) return;
  throw new SimgptError(
    'modelInvalid',
    `${dir}: expected one pooling before the head '${head}', received ${pooling.length}`,
  );
}

/** As the reference computes it: the folder's own length, else the tokenizer's, at most the rows. */
function maxTokens(
  file: JsonFile,
  config: ModelConfig,
  maxSeqLength: number | undefined,
  modelMaxLength: number | undefined,
  promptLength: number,
): number {
  const positions = config.maxPositions - config.positionOffset - promptLength;
  const tokens = Math.min(maxSeqLength ?? modelMaxLength ?? positions, positions);
  // Two special tokens and one of text.
  if (tokens < 3) failField(file, 'max_position_embeddings', 'room for 3 tokens');
  return tokens;
}

const promptTensor = 'prefix_encoder.embedding.weight';

async function readDeepPrompt(
  dir: string,
  folder: string,
  { layerCount, hiddenSize }: ModelConfig,
): Promise<DeepPrompt | undefined> {
  const path = await findInFolder(dir, joinName(folder, deepPromptFile));
  if (path === undefined) return undefined;
  const { tensors } = await inspectSafetensors(path);
  const width = 2 * layerCount * hiddenSize;
  const shape = tensors.find(({ name }) => name === promptTensor)?.shape;
  if (shape?.length === 2 && shape[1] === width && shape[0]! > 0) {
    return { path, length: shape[0]! };
  }
  throw new SimgptError(
    'modelInvalid',
    `${path}: expected a tensor ${promptTensor} of shape [k, ${width}], received ` +
      (shape === undefined ? 'none' : `[${shape.join(', ')}]`),
  );
}

/**
 * Reads a sentence-transformers folder or a plain Hugging Face one (BERT, RoBERTa, XLM-RoBERTa
 * layouts). Nothing in it is executed or imported, and no file outside it is read. Throws
 * `SimgptError` (`fileNotFound`, `fileInvalid`, `modelInvalid`, `unsupported`) naming file, field
 * and accepted values; RangeError for an unknown `pooling` or `head`.
 */
export async function readCheckpoint(
  dir: string,
  options: CheckpointOptions = {},
): Promise<Checkpoint> {
  const statedPooling = options.pooling === undefined ? undefined : checkPoolings(options.pooling);
  const statedHead = options.head === undefined ? undefined : checkHead(options.head);
  if (!(await isFolder(dir))) {
    throw new SimgptError('fileNotFound', `${dir}: expected a model folder`);
  }
  const root = await realpath(dir);
  const entries = await readModuleList(root);
  const folder = entries?.[0]?.path ?? '';
  const adapter = await findInFolder(root, joinName(folder, 'adapter_config.json'));
  if (adapter !== undefined) {
    throw new SimgptError(
      'unsupported',
      `${adapter}: adapter folders are not supported: merge the adapter into its base model first`,
    );
  }
  const configFile = await readJsonFile(
    await requireInFolder(root, joinName(folder, 'config.json')),
  );
  const config = readModelConfig(configFile);
  const deepPrompt = await readDeepPrompt(root, folder, config);
  const settings = await readTransformerSettings(root, folder);
  const tokenizer = await findTokenizer(root, folder, config.modelType);
  const own = await readOwnSettings(root);
  const { prompts, defaultPrompt } = await readPrompts(root);
  const chosen = statedPooling ?? own.pooling;
  const tail =
    entries === undefined
      ? plainTail(dir, chosen)
      : await readTail(root, entries, config.hiddenSize, prompts, chosen);
  const head = statedHead ?? own.head;
  checkHeadFits(dir, head, tail.pooling);
  return {
    dir: root,
    id: options.id ?? basename(dir),
    revision: options.revision ?? null,
    config,
    tokenizer: tokenizer.source,
    lowercaseText: settings.lowercaseText,
    weights: await findWeights(root, folder),
    pooling: tail.pooling,
    head,
    dense: tail.dense,
    normalize: tail.normalize,
    ...(deepPrompt && { deepPrompt }),
    maxTokens: maxTokens(
      configFile,
      config,
      settings.maxSeqLength,
      tokenizer.modelMaxLength,
      deepPrompt?.length ?? 0,
    ),
    prompts,
    defaultPrompt,
  };
}
