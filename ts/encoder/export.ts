import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { SimgptError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { errorCode } from '../files/json.js';
import type { Checkpoint } from './checkpoint.js';
import { exportModelConfig, exportPooling, exportTokenizer } from './export_files.js';
import type { DenseActivation, DenseModule } from './modules.js';
import { copySafetensors, inspectSafetensors } from './safetensors.js';
import type { JobOptions } from './safetensors.js';

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
}

/** Every tensor of the checkpoint's files and where it is. */
async function listTensors(
  checkpoint: Checkpoint,
  options: JobOptions,
): Promise<readonly TensorPlace[]> {
  const places: TensorPlace[] = [];
  for (const path of checkpoint.weights) {
    const { tensors } = await inspectSafetensors(path, options);
    for (const { name } of tensors) places.push({ path, name });
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

/** What is left out or renamed on the way. */
export interface ExportOptions extends JobOptions {
  /**
   * Layers of the transformer that are kept, from 0, in this order: a smaller model made of a
   * larger one's parts. Default all.
   */
  readonly layers?: readonly number[] | undefined;
}

/** The name under which a tensor is written; undefined where its layer is left out. */
function exportedName(name: string, layers: readonly number[] | undefined): string | undefined {
  const found = /^(.*encoder\.layer\.)(\d+)(\..*)$/.exec(name);
  if (layers === undefined || found === null) return name;
  const place = layers.indexOf(Number(found[2]));
  return place < 0 ? undefined : `${found[1]}${place}${found[3]}`;
}

function checkLayers({ config }: Checkpoint, layers: readonly number[] | undefined): void {
  if (layers === undefined) return;
  const known = layers.every(
    (layer) => Number.isInteger(layer) && layer >= 0 && layer < config.layerCount,
  );
  if (known && layers.length > 0 && new Set(layers).size === layers.length) return;
  throw new RangeError(
    `expected layers to be different integers from 0 to ${config.layerCount - 1}, ` +
      `received ${layers.join(', ') || 'none'}`,
  );
}

async function writeTransformer(
  checkpoint: Checkpoint,
  target: string,
  tensors: readonly TensorPlace[],
  options: ExportOptions,
): Promise<void> {
  // The trained head becomes a Dense module; here Python would report it as unexpected.
  const kept = tensors.filter(({ name }) => !/^((bert|roberta)\.)?mlp\./.test(name));
  const sources = checkpoint.weights.map((path) => ({
    path,
    tensors: kept
      .filter((tensor) => tensor.path === path)
      .flatMap(({ name }) => {
        const to = exportedName(name, options.layers);
        return to === undefined ? [] : [{ from: name, to }];
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
  options: JobOptions,
): Following {
  const { hiddenSize } = checkpoint.config;
  const prefix = checkpoint.head === 'mlp' ? 'mlp.dense' : 'pooler.dense';
  return {
    name: 'Dense',
    write: async (folder) => {
      const sources = ['weight', 'bias'].map((part) => {
        const { path, name } = findTensor(checkpoint, tensors, `${prefix}.${part}`);
        return { path, tensors: [{ from: name, to: `linear.${part}` }] };
      });
      await copySafetensors(join(folder, 'model.safetensors'), sources, options);
      const shape = { inFeatures: hiddenSize, outFeatures: hiddenSize, bias: true };
      const config = denseConfig({ ...shape, activation: 'tanh' });
      await writeFileAtomic(join(folder, 'config.json'), config);
    },
  };
}

function denseModule(dense: DenseModule, options: JobOptions): Following {
  const parts = dense.bias ? ['weight', 'bias'] : ['weight'];
  const tensors = parts.map((part) => ({ from: `linear.${part}`, to: `linear.${part}` }));
  return {
    name: 'Dense',
    write: async (folder) => {
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

async function writeFolder(
  checkpoint: Checkpoint,
  target: string,
  options: ExportOptions,
): Promise<void> {
  const tensors = await listTensors(checkpoint, options);
  await writeTransformer(checkpoint, target, tensors, options);
  const { config, prompts, defaultPrompt } = checkpoint;
  const write = async (name: string, value: unknown): Promise<void> =>
    writeFileAtomic(join(target, name), sortedJson(value));
  const layerCount = options.layers?.length ?? config.layerCount;
  await write('config.json', exportModelConfig({ ...config, layerCount }));
  await write('sentence_bert_config.json', {
    max_seq_length: checkpoint.maxTokens,
    do_lower_case: checkpoint.lowercaseText,
  });
  await write('config_sentence_transformers.json', {
    prompts,
    default_prompt_name: defaultPrompt,
    similarity_fn_name: 'cosine',
  });
  await exportTokenizer(checkpoint, target);

  await mkdir(join(target, '1_Pooling'));
  await write('1_Pooling/config.json', exportPooling(checkpoint));
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

export interface ExportOptions extends JobOptions {
  /** Writes more files into the folder before it takes its name. */
  readonly addTo?: (folder: string) => Promise<void>;
}

/**
 * Writes a checkpoint as a sentence-transformers folder that Python loads to the same vectors. The
 * head becomes a `Dense` module with tanh. The folder appears whole or not at all, and equal
 * checkpoints give equal bytes. Throws `outputExists` where `target` is there, `unsupported` for
 * poolings that sentence-transformers lacks, `ioFailed`, `cancelled`; RangeError for unknown layers.
 */
export async function exportCheckpoint(
  checkpoint: Checkpoint,
  target: string,
  options: ExportOptions = {},
): Promise<void> {
  exportPooling(checkpoint);
  checkLayers(checkpoint, options.layers);
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
