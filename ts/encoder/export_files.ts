import { join } from 'node:path';

import { writeFileAtomic } from '../files/atomic.js';
import { readBoundedFile, readJsonFileIfPresent } from '../files/json.js';
import type { Checkpoint } from './checkpoint.js';
import { findInFolder } from './folder.js';
import type { ModelConfig, ModelType } from './model_config.js';
import { sentenceTransformersPoolings } from './pooling.js';
import type { TokenizerSource } from './tokenizer_source.js';
import { cutTokenizerConfig, cutTokenizerFile, largestTokenizerFile } from './vocabulary.js';

const architectures: Readonly<Record<ModelType, string>> = {
  bert: 'BertModel',
  roberta: 'RobertaModel',
  'xlm-roberta': 'XLMRobertaModel',
};

/** `config.json` as transformers reads it; `dtype` where the weights are written in a stated one. */
export function exportModelConfig(config: ModelConfig, dtype?: 'float32' | 'float16'): object {
  return {
    ...(dtype === undefined ? {} : { torch_dtype: dtype }),
    architectures: [architectures[config.modelType]],
    model_type: config.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layerCount,
    num_attention_heads: config.headCount,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositions,
    type_vocab_size: config.typeVocabSize,
    layer_norm_eps: config.layerNormEps,
    hidden_act: config.activation === 'gelu' ? 'gelu' : 'gelu_new',
    hidden_dropout_prob: config.hiddenDropout,
    attention_probs_dropout_prob: config.attentionDropout,
    initializer_range: config.initializerRange,
    pad_token_id: config.padTokenId,
    position_embedding_type: 'absolute',
  };
}

/**
 * `1_Pooling/config.json`: the flags that every release reads where they can say it, else the list
 * of newer releases. A pooling over two layers stands there by our name, which every release refuses:
 * without the file, Python would take the mean of the last layer.
 */
export function exportPooling({ config, pooling }: Checkpoint): object {
  const rows = pooling.flatMap(
    (name) => sentenceTransformersPoolings.find((row) => row.pooling === name) ?? [],
  );
  const modes = pooling.map((name) => rows.find((row) => row.pooling === name)?.mode ?? name);
  if (rows.length < pooling.length) {
    return {
      word_embedding_dimension: config.hiddenSize,
      pooling_mode: modes.length === 1 ? modes[0] : modes,
      include_prompt: true,
    };
  }
  const places = rows.map((row) => sentenceTransformersPoolings.indexOf(row));
  const inOrder = places.every((place, index) => index === 0 || place > (places[index - 1] ?? 0));
  if (!inOrder) {
    return {
      embedding_dimension: config.hiddenSize,
      pooling_mode: modes,
      include_prompt: true,
    };
  }
  const flags = sentenceTransformersPoolings.map((row) => [row.flag, rows.includes(row)] as const);
  return {
    word_embedding_dimension: config.hiddenSize,
    ...Object.fromEntries(flags),
    include_prompt: true,
  };
}

type FileCopy = readonly [path: string, name: string];

function sourceFiles(source: TokenizerSource): readonly FileCopy[] {
  if (source.kind === 'tokenizerJson') return [[source.path, 'tokenizer.json']];
  if (source.kind === 'wordPiece') return [[source.vocabPath, 'vocab.txt']];
  return [
    [source.vocabPath, 'vocab.json'],
    [source.mergesPath, 'merges.txt'],
  ];
}

function defaultTokenizerConfig({ tokenizer, config }: Checkpoint): Record<string, unknown> {
  const names: Readonly<Record<ModelType, string>> = {
    bert: 'BertTokenizer',
    roberta: 'RobertaTokenizer',
    'xlm-roberta': 'XLMRobertaTokenizer',
  };
  const base = { tokenizer_class: names[config.modelType] };
  if (tokenizer.kind === 'wordPiece') {
    return {
      ...base,
      do_lower_case: tokenizer.lowercase,
      strip_accents: tokenizer.stripAccents,
      tokenize_chinese_chars: tokenizer.handleChineseChars,
    };
  }
  return tokenizer.kind === 'byteLevelBpe'
    ? { ...base, add_prefix_space: tokenizer.addPrefixSpace }
    : base;
}

/**
 * Copies the tokenizer's files, with the tokens of the ids in `kept` alone where they are given; its
 * config is rewritten with the length and without code.
 */
export async function exportTokenizer(
  checkpoint: Checkpoint,
  target: string,
  kept?: readonly number[],
): Promise<void> {
  const copy = async (path: string, name: string): Promise<void> => {
    const bytes = await readBoundedFile(path, largestTokenizerFile);
    const written = kept === undefined ? bytes : cutTokenizerFile(name, bytes, kept);
    await writeFileAtomic(join(target, name), written);
  };
  for (const [path, name] of sourceFiles(checkpoint.tokenizer)) await copy(path, name);
  // Beside the tokenizer's own file: for the transformer in a sub-folder that is not the root.
  const [first] = sourceFiles(checkpoint.tokenizer);
  const folder = (first?.[0] ?? '').slice(checkpoint.dir.length + 1, -(first?.[1].length ?? 0));
  for (const name of ['special_tokens_map.json', 'added_tokens.json', 'vocab.txt']) {
    const path = await findInFolder(checkpoint.dir, folder + name);
    if (path !== undefined) await copy(path, name);
  }
  const configPath = await findInFolder(checkpoint.dir, `${folder}tokenizer_config.json`);
  const config = configPath === undefined ? undefined : await readJsonFileIfPresent(configPath);
  const {
    auto_map: _code,
    name_or_path: _path,
    ...fields
  } = {
    ...cutTokenizerConfig(config?.fields ?? defaultTokenizerConfig(checkpoint), kept),
  };
  const stated = { ...fields, model_max_length: checkpoint.maxTokens };
  const sorted = Object.fromEntries(Object.entries(stated).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFileAtomic(
    join(target, 'tokenizer_config.json'),
    `${JSON.stringify(sorted, undefined, 2)}\n`,
  );
}
