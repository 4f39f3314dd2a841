import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { modelDir } from './places.js';

// Of BERT-base; MiniLM has 6 layers, 384 and 1,536.
const layers = 12;
const widths: ReadonlyMap<number, number> = new Map([
  [384, 768],
  [1536, 3072],
]);

interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** The tensors of MiniLM's file, as many and as wide as BERT-base has them. */
function baseTensors(): ReadonlyMap<string, readonly number[]> {
  const bytes = readFileSync(join(modelDir(), 'model.safetensors'));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, Tensor>;
  const tensors = new Map<string, readonly number[]>();
  for (const [name, { dtype, shape }] of Object.entries(header)) {
    if (dtype !== 'F32' || name.startsWith('pooler')) continue;
    const wide = shape.map((size) => widths.get(size) ?? size);
    const [, layer] = /^encoder\.layer\.(\d+)\./.exec(name) ?? [];
    const places = layer === undefined ? [name] : [Number(layer), Number(layer) + layers / 2];
    for (const place of places) {
      tensors.set(name.replace(/^(encoder\.layer\.)\d+/, `$1${place}`), wide);
    }
  }
  return tensors;
}

/** Uniform in (-0.08, 0.08); norms near 1. The bits of every run are the same. */
function randomValues(name: string, count: number, state: { seed: number }): Float32Array {
  const middle = name.endsWith('LayerNorm.weight') ? 1 : 0;
  return Float32Array.from({ length: count }, () => {
    state.seed ^= state.seed << 13;
    state.seed ^= state.seed >>> 17;
    state.seed ^= state.seed << 5;
    return middle + (0.08 * state.seed) / 2 ** 31;
  });
}

/**
 * Writes a sentence-transformers folder of BERT-base's shape with random weights (436 MB), mean
 * pooling and MiniLM's tokenizer.
 */
export function writeBaseModel(folder: string): void {
  mkdirSync(join(folder, '1_Pooling'), { recursive: true });
  const own = modelDir();
  const plain = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'vocab.txt'];
  for (const file of [...plain, 'modules.json', 'sentence_bert_config.json']) {
    copyFileSync(join(own, file), join(folder, file));
  }
  const config = readJson(join(own, 'config.json'));
  const sizes = { hidden_size: 768, intermediate_size: 3072, num_hidden_layers: layers };
  writeJson(join(folder, 'config.json'), { ...config, ...sizes });
  const pooling = readJson(join(own, '1_Pooling/config.json'));
  writeJson(join(folder, '1_Pooling/config.json'), { ...pooling, word_embedding_dimension: 768 });
  writeWeights(join(folder, 'model.safetensors'));
}

function writeWeights(path: string): void {
  const tensors = [...baseTensors()].map(([name, shape]) => {
    return { name, shape, count: shape.reduce((product, size) => product * size, 1) };
  });
  let end = 0;
  const places = tensors.map(({ name, shape, count }) => {
    const start = end;
    end += 4 * count;
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(places)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, 'w');
  try {
    writeFileSync(file, Buffer.concat([length, header]));
    const state = { seed: 1 };
    for (const { name, count } of tensors) {
      writeFileSync(file, new Uint8Array(randomValues(name, count, state).buffer));
    }
  } finally {
    closeSync(file);
  }
}

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
