import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { SimgptError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { errorCode } from '../files/json.js';
import type { NativeTensorCopy } from '../native.js';
import { deepPromptFile, ownFileName } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { exportModelConfig, exportPooling, exportTokenizer } from './export_files.js';
import type { ModelConfig } from './model_config.js';
import type { DenseActivation, DenseModule } from './modules.js';
import { isPublishedPooling } from './pooling.js';
import { copySafetensors, inspectSafetensors } from './safetensors.js';
import type { JobOptions } from './safetensors.js';
import { newIds, readVocabulary } from './vocabulary.js';

const activationNames: Readonly<Record<DenseActivation, string>> = {
  identity: 'torch.nn.modules.linear.Identity',
  tanh: 'torch.nn.modules.activation.Tanh',
  relu: 'torch.nn.modules.activation.ReLU',
  gelu: 'torch.nn.modules.activation.GELU',
};

/** JSON with its keys sorted at every level, so that equal models give equal bytes. */
function sortedJson(value: unknown): string {
  const sort = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(sort);
    if (typeof item !== 'object' || item === null) return item;
    const entries = Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([key, inner]) => [key, sort(inner)]));
  };
  return `${JSON.stringify(sort(value), undefined, 2)}\n`;
}

interface TensorPlace {
  readonly path: string;
  readonly name: string;
  readonly dtype: string;
}

/** Every tensor of the checkpoint's files and where it is. */
async function listTensors(
  checkpoint: Checkpoint,
  options: JobOptions,
): Promise<readonly TensorPlace[]> {
  const places: TensorPlace[] = [];
  for (const path of checkpoint.weights) {
    const { tensors } = await inspectSafetensors(path, options);
    for (const { name, dtype } of tensors) places.push({ path, name, dtype });
  }
  return places;
}

function findTensor(checkpoint: Checkpoint, tensors: readonly TensorPlace[], name: string) {
  const place = tensors.find((tensor) => tensor.name.replace(/^(bert|roberta)\./, '') === name);
  if (place === undefined) {
    throw new SimgptError(
      'modelInvalid',
      `${checkpoint.dir}: expected a tensor ${name} for the head '${checkpoint.head}'`,
    );
  }
  return place;
}

/** Dtypes that a model's weights can be written in. */
export const exportDtypes = ['float32', 'float16'] as const;
export type ExportDtype = (typeof exportDtypes)[number];

/** What is left out, renamed or rounded on the way. */
export interface ExportOptions extends JobOptions {
  /**
   * Layers of the transformer that are kept, from 0, in this order: a smaller model made of a
   * larger one's parts. Default all.
   */
  readonly layers?: readonly number[] | undefined;
  /**
   * Ids of the tokens that are kept, ascending, of a WordPiece vocabulary (`tokensToKeep`); they get
   * new ids from 0. Default all.
   */
  readonly tokens?: readonly number[] | undefined;
  /**
   * How weights are stored: float16 halves the file and keeps 11 bits of each value, to the nearest,
   * ties to even. Default as they are.
   */
  readonly dtype?: ExportDtype | undefined;
  /** Writes more files into the folder before it takes its name. */
  readonly addTo?: ((folder: string) => Promise<void>) | undefined;
}

/** The name under which a tensor is written; undefined where its layer is left out. */
function exportedName(name: string, layers: readonly number[] | undefined): string | undefined {
  const found = /^(.*encoder\.layer\.)(\d+)(\..*)$/.exec(name);
  if (layers === undefined || found === null) return name;
  const place = layers.indexOf(Number(found[2]));
  return place < 0 ? undefined : `${found[1]}${place}${found[3]}`;
}

function checkLayers(
  { config, deepPrompt }: Checkpoint,
  layers: readonly number[] | undefined,
): void {
  if (layers === undefined) return;
  if (deepPrompt !== undefined) {
    throw new RangeError(
      `expected a model without a deep prompt to take layers of, received ${deepPrompt.path}`,
    );
  }
  const known = layers.every(
    (layer) => Number.isInteger(layer) && layer >= 0 && layer < config.layerCount,
  );
  if (known && layers.length > 0 && new Set(layers).size === layers.length) return;
  throw new RangeError(
    `expected layers to be different integers from 0 to ${config.layerCount - 1}, ` +
      `received ${layers.join(', ') || 'none'}`,
  );
}

/** Tensors with a row a token. */
const tokenRows = /(^|\.)(word_embeddings\.weight|predictions\.(bias|decoder\.(weight|bias)))$/;

/** Buffers of integers stay what they are. */
function dtypeOf(
  { dtype }: Pick<TensorPlace, 'dtype'>,
  options: ExportOptions,
): NativeTensorCopy['dtype'] {
  if (options.dtype === undefined || !['F32', 'F16', 'BF16'].includes(dtype)) return undefined;
  return options.dtype === 'float16' ? 'F16' : 'F32';
}

async function checkTokens(
  checkpoint: Checkpoint,
  kept: readonly number[] | undefined,
): Promise<void> {
  if (kept === undefined) return;
  const { tokens, specials } = await readVocabulary(checkpoint);
  const ascending = kept.every((id, i) => i === 0 || id > (kept[i - 1] ?? 0));
  if (kept.length === 0 || !ascending || kept.some((id) => tokens[id] === undefined)) {
    throw new RangeError(
      `expected tokens to be ids of the vocabulary, ascending, received ${kept.length} that are not`,
    );
  }
  const ids = new Set(kept);
  const missing = tokens.findIndex((token, id) => specials.has(token ?? '') && !ids.has(id));
  if (missing < 0) return;
  throw new RangeError(`expected tokens to keep ${tokens[missing]}, id ${missing}, received none`);
}

async function writeTransformer(
  checkpoint: Checkpoint,
  target: string,
  tensors: readonly TensorPlace[],
  options: ExportOptions,
): Promise<void> {
  // The trained head becomes a Dense module; here Python would report it as unexpected.
  const kept = tensors.filter(({ name }) => !/^((bert|roberta)\.)?mlp\./.test(name));
  const keptRows = options.tokens === undefined ? undefined : Int32Array.from(options.tokens);
  const sources = checkpoint.weights.map((path) => ({
    path,
    tensors: kept
      .filter((tensor) => tensor.path === path)
      .flatMap((tensor) => {
        const to = exportedName(tensor.name, options.layers);
        const rows = tokenRows.test(tensor.name) ? keptRows : undefined;
        return to === undefined
          ? []
          : [{ from: tensor.name, to, rows, dtype: dtypeOf(tensor, options) }];
      }),
  }));
  await copySafetensors(join(target, 'model.safetensors'), sources, options);
}

/** A module that follows the pooling, and how its weights come into its folder. */
interface Following {
  readonly name: 'Dense' | 'Normalize';
  readonly write: (folder: string) => Promise<void>;
}

function denseConfig(dense: Omit<DenseModule, 'weights'>): string {
  return sortedJson({
    in_features: dense.inFeatures,
    out_features: dense.outFeatures,
    bias: dense.bias,
    activation_function: activationNames[dense.activation],
  });
}

function headModule(
  checkpoint: Checkpoint,
  tensors: readonly TensorPlace[],
  options: ExportOptions,
): Following {
  const { hiddenSize } = checkpoint.config;
  const prefix = checkpoint.head === 'mlp' ? 'mlp.dense' : 'pooler.dense';
  return {
    name: 'Dense',
    write: async (folder) => {
      const sources = ['weight', 'bias'].map((part) => {
        const tensor = findTensor(checkpoint, tensors, `${prefix}.${part}`);
        const dtype = dtypeOf(tensor, options);
        return { path: tensor.path, tensors: [{ from: tensor.name, to: `linear.${part}`, dtype }] };
      });
      await copySafetensors(join(folder, 'model.safetensors'), sources, options);
      const shape = { inFeatures: hiddenSize, outFeatures: hiddenSize, bias: true };
      const config = denseConfig({ ...shape, activation: 'tanh' });
      await writeFileAtomic(join(folder, 'config.json'), config);
    },
  };
}

function denseModule(dense: DenseModule, options: ExportOptions): Following {
  return {
    name: 'Dense',
    write: async (folder) => {
      const held = (await inspectSafetensors(dense.weights, options)).tensors;
      const parts = dense.bias ? ['linear.weight', 'linear.bias'] : ['linear.weight'];
      const tensors = parts.map((part) => {
        const dtype = held.find(({ name }) => name === part)?.dtype ?? '';
        return { from: part, to: part, dtype: dtypeOf({ dtype }, options) };
      });
      const source = { path: dense.weights, tensors };
      await copySafetensors(join(folder, 'model.safetensors'), [source], options);
      await writeFileAtomic(join(folder, 'config.json'), denseConfig(dense));
    },
  };
}

const normalizeModule: Following = {
  name: 'Normalize',
  write: async (folder) => writeFileAtomic(join(folder, 'config.json'), '{}\n'),
};

function exportedConfig(config: ModelConfig, { layers, tokens }: ExportOptions): ModelConfig {
  const layerCount = layers?.length ?? config.layerCount;
  if (tokens === undefined) return { ...config, layerCount };
  const padTokenId = newIds(tokens)(config.padTokenId);
  return { ...config, layerCount, vocabSize: tokens.length, padTokenId };
}

async function writeDeepPrompt(
  { deepPrompt }: Checkpoint,
  target: string,
  options: JobOptions,
): Promise<void> {
  if (deepPrompt === undefined) return;
  const { path } = deepPrompt;
  const held = await inspectSafetensors(path, options);
  const tensors = held.tensors.map(({ name }) => ({ from: name, to: name }));
  await copySafetensors(join(target, deepPromptFile), [{ path, tensors }], options);
}

async function writeFolder(
  checkpoint: Checkpoint,
  target: string,
  options: ExportOptions,
): Promise<void> {
  const tensors = await listTensors(checkpoint, options);
  await writeTransformer(checkpoint, target, tensors, options);
  const { config, pooling, prompts, defaultPrompt } = checkpoint;
  const write = async (name: string, value: unknown): Promise<void> =>
    writeFileAtomic(join(target, name), sortedJson(value));
  await write('config.json', exportModelConfig(exportedConfig(config, options), options.dtype));
  await write('sentence_bert_config.json', {
    max_seq_length: checkpoint.maxTokens,
    do_lower_case: checkpoint.lowercaseText,
  });
  await write('config_sentence_transformers.json', {
    prompts,
    default_prompt_name: defaultPrompt,
    similarity_fn_name: 'cosine',
  });
  await exportTokenizer(checkpoint, target, options.tokens);
  await writeDeepPrompt(checkpoint, target, options);

  await mkdir(join(target, '1_Pooling'));
  await write('1_Pooling/config.json', exportPooling(checkpoint));
  if (!isPublishedPooling(pooling)) await write(ownFileName, { formatVersion: 1, pooling });
  const following = [
    ...(checkpoint.head === 'none' ? [] : [headModule(checkpoint, tensors, options)]),
    ...checkpoint.dense.map((dense) => denseModule(dense, options)),
    ...(checkpoint.normalize ? [normalizeModule] : []),
  ];
  const rows = [
    { name: 'Transformer', path: '' },
    { name: 'Pooling', path: '1_Pooling' },
  ];
  for (const [place, module] of following.entries()) {
    const path = `${place + 2}_${module.name}`;
    await mkdir(join(target, path));
    await module.write(join(target, path));
    rows.push({ name: module.name, path });
  }
  const list = rows.map(({ name, path }, idx) => ({
    idx,
    name: String(idx),
    path,
    // The spelling that every release reads.
    type: `sentence_transformers.models.${name}`,
  }));
  await write('modules.json', list);
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a checkpoint as a sentence-transformers folder that Python loads to the same vectors, but
 * for a deep prompt, whose file stands beside the weights and which Python does not know, and for a
 * pooling over two layers, which `simgpt.json` states and Python refuses by name. The head
 * becomes a `Dense` module with tanh. The folder appears whole or not at all, and equal
 * checkpoints give equal bytes. Throws `outputExists` where `target` is there, `unsupported` for
 * tokens of a vocabulary that is not BERT's and values that float16 does not hold, `ioFailed`,
 * `cancelled`; RangeError for unknown layers or tokens.
 */
export async function exportCheckpoint(
  checkpoint: Checkpoint,
  target: string,
  options: ExportOptions = {},
): Promise<void> {
  checkLayers(checkpoint, options.layers);
  await checkTokens(checkpoint, options.tokens);
  const path = resolve(target);
  if (await exists(path)) {
    throw new SimgptError('outputExists', `expected no folder at ${path}, found one`);
  }
  const parent = dirname(path);
  const suffix = randomBytes(6).toString('hex');
  const temporary = join(parent, `.${basename(path).slice(0, 60)}.${suffix}.tmp`);
  try {
    await mkdir(temporary);
    await writeFolder(checkpoint, temporary, options);
    await options.addTo?.(temporary);
    await syncFolder(temporary);
    await rename(temporary, path);
    await syncFolder(parent);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (error instanceof SimgptError) throw error;
    const code = errorCode(error);
    if (code === undefined) throw error;
    throw new SimgptError('ioFailed', `${path}: cannot write: ${code}`, { cause: error });
  }
}
