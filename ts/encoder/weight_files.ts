import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { SimgptError } from '../errors.js';
import { isJsonObject, readJsonFile } from '../files/json.js';
import { describeValue, failField, fieldOf } from './config_fields.js';
import { converterCommand } from './converter.js';
import { findInFolder, requireInFolder, unsafePathReason } from './folder.js';

/** Formats that can carry code or that we do not open, by the end of the name. */
const refusedWeights = /\.(bin|pt|pth|ckpt|pkl|pickle|npz|h5|msgpack|gguf|onnx|ot)$/i;

async function refusedFiles(dir: string): Promise<readonly string[]> {
  try {
    const names = await readdir(dir);
    return names.filter((name) => refusedWeights.test(name) && name !== 'training_args.bin').sort();
  } catch {
    return [];
  }
}

async function failWithoutSafetensors(folder: string): Promise<never> {
  const others = await refusedFiles(folder);
  if (others.length === 0) {
    throw new SimgptError(
      'fileNotFound',
      `${join(folder, 'model.safetensors')}: expected this file or model.safetensors.index.json`,
    );
  }
  throw new SimgptError(
    'unsupported',
    `${join(folder, others[0] ?? '')}: expected model.safetensors: this format is never opened ` +
      `(it may carry code); convert it with: ${converterCommand()} ${folder} OUTPUT`,
  );
}

function shardName(path: string, tensor: string, value: unknown): string {
  const safe =
    typeof value === 'string' &&
    !value.includes('/') &&
    unsafePathReason(value) === undefined &&
    value.endsWith('.safetensors');
  if (!safe) {
    throw new SimgptError(
      'modelInvalid',
      `${path}: field weight_map, tensor ${describeValue(tensor)}: expected the name of a ` +
        `.safetensors file in this folder, received ${describeValue(value)}`,
    );
  }
  return value;
}

/** The shard files that a `model.safetensors.index.json` names, checked, each once. */
export async function readShardNames(indexPath: string): Promise<readonly string[]> {
  const file = await readJsonFile(indexPath);
  const map = fieldOf(file, 'weight_map');
  if (!isJsonObject(map) || Object.keys(map).length === 0) {
    failField(file, 'weight_map', 'an object from tensor names to file names');
  }
  const shards = new Set<string>();
  for (const [tensor, value] of Object.entries(map)) {
    shards.add(shardName(file.path, tensor, value));
    if (shards.size > 1024) failField(file, 'weight_map', 'at most 1024 files');
  }
  return [...shards].sort();
}

function nameIn(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** The one safetensors file of a module's folder. Pickles are refused by name. */
export async function requireSafetensors(dir: string, folder: string): Promise<string> {
  const path = await findInFolder(dir, nameIn(folder, 'model.safetensors'));
  return path ?? failWithoutSafetensors(join(dir, folder));
}

/** The transformer's safetensors files: `model.safetensors`, else the shards its index names. */
export async function findWeights(dir: string, folder: string): Promise<readonly string[]> {
  const single = await findInFolder(dir, nameIn(folder, 'model.safetensors'));
  if (single !== undefined) return [single];
  const index = nameIn(folder, 'model.safetensors.index.json');
  const indexPath = await findInFolder(dir, index);
  if (indexPath === undefined) return failWithoutSafetensors(join(dir, folder));
  const names = await readShardNames(indexPath);
  return Promise.all(names.map((name) => requireInFolder(dir, nameIn(folder, name))));
}
