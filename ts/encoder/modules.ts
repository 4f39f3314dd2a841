import { SimgptError } from '../errors.js';
import { isJsonObject, readJson, readJsonFile, readJsonFileIfPresent } from '../files/json.js';
import type { JsonFile } from '../files/json.js';
import {
  booleanField,
  choiceField,
  describeValue,
  failField,
  fieldOf,
  integerField,
  refuseField,
} from './config_fields.js';
import { findInFolder, requireInFolder, unsafePathReason } from './folder.js';
import { requireSafetensors } from './weight_files.js';

type ModuleKind = 'transformer' | 'pooling' | 'dense' | 'normalize';

export type DenseActivation = 'identity' | 'tanh' | 'relu' | 'gelu';

/** One `Dense` module: y = activation(W x + b). */
export interface DenseModule {
  /** Absolute path of its safetensors file: `linear.weight` [out, in], `linear.bias` [out]. */
  readonly weights: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  readonly activation: DenseActivation;
}

/** A row of `modules.json` whose type is on the allow-list. */
export interface ModuleEntry {
  readonly kind: ModuleKind;
  /** Its folder inside the model's; '' is the model's own. */
  readonly path: string;
}

/** Every spelling that the releases of sentence-transformers have written; nothing is imported. */
const moduleTypes = new Map<string, ModuleKind>([
  ['sentence_transformers.models.Transformer', 'transformer'],
  ['sentence_transformers.models.Transformer.Transformer', 'transformer'],
  ['sentence_transformers.models.transformer.Transformer', 'transformer'],
  ['sentence_transformers.base.modules.Transformer', 'transformer'],
  ['sentence_transformers.base.modules.transformer.Transformer', 'transformer'],
  ['sentence_transformers.sentence_transformer.modules.Transformer', 'transformer'],
  ['sentence_transformers.models.Pooling', 'pooling'],
  ['sentence_transformers.models.Pooling.Pooling', 'pooling'],
  ['sentence_transformers.models.pooling.Pooling', 'pooling'],
  ['sentence_transformers.sentence_transformer.modules.Pooling', 'pooling'],
  ['sentence_transformers.sentence_transformer.modules.pooling.Pooling', 'pooling'],
  ['sentence_transformers.models.Dense', 'dense'],
  ['sentence_transformers.models.Dense.Dense', 'dense'],
  ['sentence_transformers.models.dense.Dense', 'dense'],
  ['sentence_transformers.base.modules.Dense', 'dense'],
  ['sentence_transformers.base.modules.dense.Dense', 'dense'],
  ['sentence_transformers.sentence_transformer.modules.Dense', 'dense'],
  ['sentence_transformers.models.Normalize', 'normalize'],
  ['sentence_transformers.models.Normalize.Normalize', 'normalize'],
  ['sentence_transformers.models.normalize.Normalize', 'normalize'],
  ['sentence_transformers.base.modules.Normalize', 'normalize'],
  ['sentence_transformers.base.modules.normalize.Normalize', 'normalize'],
  ['sentence_transformers.sentence_transformer.modules.Normalize', 'normalize'],
]);

const denseActivations = new Map<string, DenseActivation>([
  ['torch.nn.modules.activation.Tanh', 'tanh'],
  ['torch.nn.modules.linear.Identity', 'identity'],
  ['torch.nn.modules.activation.ReLU', 'relu'],
  ['torch.nn.modules.activation.GELU', 'gelu'],
  ['torch.nn.Tanh', 'tanh'],
  ['torch.nn.Identity', 'identity'],
  ['torch.nn.ReLU', 'relu'],
  ['torch.nn.GELU', 'gelu'],
]);

function readEntry(row: unknown, index: number, path: string): ModuleEntry {
  const fail = (field: string, expected: string, received: unknown): never => {
    throw new SimgptError(
      'modelInvalid',
      `${path}: module ${index}, field ${field}: expected ${expected}, ` +
        `received ${describeValue(received)}`,
    );
  };
  if (!isJsonObject(row)) {
    return fail('(all)', 'an object with name, path and type', row);
  }
  const kind = typeof row['type'] === 'string' ? moduleTypes.get(row['type']) : undefined;
  if (kind === undefined) {
    throw new SimgptError(
      'unsupported',
      `${path}: module ${index}, field type: expected sentence_transformers' Transformer, ` +
        `Pooling, Dense or Normalize, received ${describeValue(row['type'])}`,
    );
  }
  const folder = row['path'];
  if (typeof folder !== 'string') return fail('path', 'a relative path', folder);
  const reason = folder === '' ? undefined : unsafePathReason(folder);
  if (reason !== undefined) fail('path', `a path inside the folder, not ${reason}`, folder);
  const options = row['kwargs'];
  if (options !== undefined && !(Array.isArray(options) && options.length === 0)) {
    fail('kwargs', 'an empty list', options);
  }
  return { kind, path: folder };
}

/** The order we compute: Transformer, Pooling, any Dense, at most one Normalize at the end. */
function checkOrder(entries: readonly ModuleEntry[], path: string): void {
  const kinds = entries.map(({ kind }) => kind).join(', ');
  if (/^transformer, pooling(, dense)*(, normalize)?$/.test(kinds)) return;
  throw new SimgptError(
    'unsupported',
    `${path}: expected the modules Transformer, Pooling, then Dense and Normalize in this order, ` +
      `received ${kinds === '' ? 'none' : kinds}`,
  );
}

/** Reads `modules.json`, or undefined where the folder is a plain Hugging Face one. */
export async function readModuleList(dir: string): Promise<readonly ModuleEntry[] | undefined> {
  const path = await findInFolder(dir, 'modules.json');
  if (path === undefined) return undefined;
  const rows = await readJson(path);
  if (!Array.isArray(rows) || rows.length > 64) {
    throw new SimgptError('modelInvalid', `${path}: expected a list of at most 64 modules`);
  }
  const entries = rows.map((row: unknown, index) => readEntry(row, index, path));
  checkOrder(entries, path);
  return entries;
}

/** The folder's `config.json`; a module without one has its defaults. */
export async function readModuleConfig(dir: string, module: ModuleEntry): Promise<JsonFile> {
  return readJsonFile(await requireInFolder(dir, joinName(module.path, 'config.json')));
}

/** Joins a module's folder and a file name with '/', as names inside a model folder are written. */
export function joinName(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** Reads one `Dense` module whose input has `inputSize` dimensions. */
export async function readDenseModule(
  dir: string,
  module: ModuleEntry,
  inputSize: number,
): Promise<DenseModule> {
  const file = await readModuleConfig(dir, module);
  const range = { min: 1, max: 1_048_576 };
  const inFeatures = integerField(file, 'in_features', range);
  if (inFeatures !== inputSize) {
    failField(file, 'in_features', `${inputSize}, the dimensions before it`);
  }
  refuseField(file, 'module_input_name', ['sentence_embedding']);
  refuseField(file, 'module_output_name', ['sentence_embedding']);
  refuseField(file, 'use_residual', [false]);
  return {
    weights: await requireSafetensors(dir, module.path),
    inFeatures,
    outFeatures: integerField(file, 'out_features', range),
    bias: booleanField(file, 'bias', true),
    activation: choiceField(
      file,
      'activation_function',
      denseActivations,
      'torch.nn.modules.activation.Tanh',
    ),
  };
}

/** Checks a `Normalize` module's config where there is one: only whole embeddings are normalised. */
export async function checkNormalizeModule(dir: string, module: ModuleEntry): Promise<void> {
  const path = await findInFolder(dir, joinName(module.path, 'config.json'));
  // A Normalize in the root folder would see the model's own config.json.
  if (path === undefined || module.path === '') return;
  const file = await readJsonFile(path);
  refuseField(file, 'module_input_name', ['sentence_embedding']);
  refuseField(file, 'module_output_name', ['sentence_embedding']);
}

/** Names of the transformer's own settings, newest first, as the reference looks them up. */
export const transformerSettings = [
  'sentence_bert_config.json',
  'sentence_roberta_config.json',
  'sentence_xlm-roberta_config.json',
];

/** What `sentence_bert_config.json` states. */
export interface TransformerSettings {
  readonly maxSeqLength: number | undefined;
  readonly lowercaseText: boolean;
}

const harmlessArguments = new Set([
  'trust_remote_code',
  'torch_dtype',
  'dtype',
  'attn_implementation',
  'add_pooling_layer',
]);

function refuseArguments(file: JsonFile): void {
  for (const field of [
    'model_args',
    'model_kwargs',
    'config_args',
    'config_kwargs',
    'tokenizer_args',
    'processor_kwargs',
    'processing_kwargs',
  ]) {
    const value = fieldOf(file, field) ?? {};
    const harmless =
      isJsonObject(value) && Object.keys(value).every((key) => harmlessArguments.has(key));
    if (!harmless) {
      failField(file, field, `only ${[...harmlessArguments].join(', ')}`, 'unsupported');
    }
  }
}

function refuseModalities(file: JsonFile): void {
  const modalities = fieldOf(file, 'modality_config');
  if (modalities === undefined) return;
  const text = isJsonObject(modalities) ? modalities['text'] : undefined;
  if (
    !isJsonObject(text) ||
    (text['method_output_name'] ?? 'last_hidden_state') !== 'last_hidden_state'
  ) {
    failField(file, 'modality_config', 'text read from last_hidden_state', 'unsupported');
  }
}

/** Reads the transformer module's settings from its folder. */
export async function readTransformerSettings(
  dir: string,
  folder: string,
): Promise<TransformerSettings> {
  for (const name of transformerSettings) {
    const path = await findInFolder(dir, joinName(folder, name));
    const file = path === undefined ? undefined : await readJsonFileIfPresent(path);
    if (file === undefined) continue;
    refuseField(file, 'transformer_task', ['feature-extraction']);
    refuseField(file, 'module_output_name', ['token_embeddings']);
    refuseField(file, 'query_length', []);
    refuseField(file, 'document_length', []);
    refuseArguments(file);
    refuseModalities(file);
    const stated = fieldOf(file, 'max_seq_length') !== undefined;
    return {
      maxSeqLength: stated
        ? integerField(file, 'max_seq_length', { min: 1, max: 1_048_576 })
        : undefined,
      lowercaseText: booleanField(file, 'do_lower_case', false),
    };
  }
  return { maxSeqLength: undefined, lowercaseText: false };
}
