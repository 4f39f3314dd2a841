import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { repoRoot } from '../shared_data.js';

interface Sizes {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly positions: number;
}

/** Marsaglia's xorshift32 as numbers in [-1, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}

function tensorShapes(vocab: number, sizes: Sizes): [string, number[]][] {
  const { hidden, layers, intermediate, positions } = sizes;
  const shapes: [string, number[]][] = [
    ['embeddings.word_embeddings.weight', [vocab, hidden]],
    ['embeddings.position_embeddings.weight', [positions, hidden]],
    ['embeddings.token_type_embeddings.weight', [2, hidden]],
  ];
  const norm = (name: string) =>
    shapes.push([`${name}.weight`, [hidden]], [`${name}.bias`, [hidden]]);
  const linear = (name: string, out: number, input: number) =>
    shapes.push([`${name}.weight`, [out, input]], [`${name}.bias`, [out]]);
  norm('embeddings.LayerNorm');
  for (let layer = 0; layer < layers; ++layer) {
    const base = `encoder.layer.${layer}`;
    for (const part of ['query', 'key', 'value']) {
      linear(`${base}.attention.self.${part}`, hidden, hidden);
    }
    linear(`${base}.attention.output.dense`, hidden, hidden);
    norm(`${base}.attention.output.LayerNorm`);
    linear(`${base}.intermediate.dense`, intermediate, hidden);
    linear(`${base}.output.dense`, hidden, intermediate);
    norm(`${base}.output.LayerNorm`);
  }
  return shapes;
}

/** The bytes of a float32 safetensors file (8-byte header length, JSON header, data). */
export function safetensorsBytes(tensors: readonly [string, number[], Float32Array][]): Buffer {
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, shape, data] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, (offset += data.byteLength)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const data = tensors.map(([, , values]) => Buffer.from(values.buffer));
  return Buffer.concat([length, json, ...data]);
}

/** Writes a plain folder of a BERT of these sizes with seeded weights and a golden vocabulary. */
export async function writeRandomModel(dir: string, seed: number, sizes: Sizes): Promise<void> {
  const vocab = 64;
  const random = randomNumbers(seed);
  const tensors = tensorShapes(vocab, sizes).map(([name, shape]) => {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const isNormWeight = name.endsWith('LayerNorm.weight');
    for (let i = 0; i < values.length; ++i) values[i] = random() * 0.3 + (isNormWeight ? 1 : 0);
    return [name, shape, values] as [string, number[], Float32Array];
  });
  await writeFile(join(dir, 'model.safetensors'), safetensorsBytes(tensors));
  const config = {
    model_type: 'bert',
    vocab_size: vocab,
    hidden_size: sizes.hidden,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    intermediate_size: sizes.intermediate,
    hidden_act: 'gelu',
    max_position_embeddings: sizes.positions,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
  };
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  const golden = join(repoRoot, 'test/golden/bert-erf/tokenizer.json');
  await copyFile(golden, join(dir, 'tokenizer.json'));
}
