import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import type { Checkpoint, CheckpointOptions } from '#dist/encoder/checkpoint.js';
import { SimgptError } from '#dist/errors.js';
import type { ErrorCode } from '#dist/errors.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';
import {
  bertConfig,
  moduleRow,
  plainFiles,
  sentenceFiles,
  temporaryFolder,
  writeFolder,
} from './model_folder.js';
import type { FolderFiles } from './model_folder.js';

async function read(files: FolderFiles, options?: CheckpointOptions): Promise<Checkpoint> {
  using folder = temporaryFolder();
  await writeFolder(folder.path, files);
  return await readCheckpoint(folder.path, options);
}

/** Reads and expects a refusal with this code whose message holds every part. */
async function refuses(
  files: FolderFiles,
  code: ErrorCode,
  parts: readonly string[],
  options?: CheckpointOptions,
): Promise<void> {
  await assert.rejects(read(files, options), (error: unknown) => {
    assert.ok(error instanceof SimgptError, String(error));
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} / ${part}`);
    return true;
  });
}

const modules = (...rows: readonly unknown[]): FolderFiles => ({ 'modules.json': rows });

test('reads all-MiniLM-L6-v2 as published', { skip: skipWithoutShared }, async () => {
  const dir = join(sharedDir ?? '', 'models/all-MiniLM-L6-v2');
  const checkpoint = await readCheckpoint(dir);
  assert.deepEqual(
    [checkpoint.pooling, checkpoint.normalize, checkpoint.maxTokens, checkpoint.head],
    [['mean'], true, 256, 'none'],
  );
  assert.equal(checkpoint.config.layerCount, 6);
  assert.equal(checkpoint.tokenizer.kind, 'tokenizerJson');
  assert.deepEqual(checkpoint.weights, [join(checkpoint.dir, 'model.safetensors')]);
});

test('a plain folder needs its pooling stated', async () => {
  await refuses(plainFiles, 'modelInvalid', ['--pooling', '--head', 'never guessed']);
  const checkpoint = await read(plainFiles, { pooling: ['cls', 'mean'] });
  assert.deepEqual(checkpoint.pooling, ['cls', 'mean']);
  assert.deepEqual([checkpoint.head, checkpoint.normalize], ['none', false]);
  assert.equal(checkpoint.maxTokens, 64);
});

test('an unknown pooling or head of the caller is a RangeError', async () => {
  const wrong = { pooling: 'avg' } as unknown as CheckpointOptions;
  await assert.rejects(read(plainFiles, wrong), /expected pooling to be 'cls', .* received "avg"/);
  await assert.rejects(read(plainFiles, { pooling: [] }), RangeError);
  const head = { pooling: 'cls', head: 'lm' } as unknown as CheckpointOptions;
  await assert.rejects(read(plainFiles, head), RangeError);
});

test('simgpt.json states what published files cannot', async () => {
  const files = { ...plainFiles, 'simgpt.json': { formatVersion: 1, pooling: 'cls', head: 'mlp' } };
  const checkpoint = await read(files);
  assert.deepEqual([checkpoint.pooling, checkpoint.head], [['cls'], 'mlp']);
  assert.equal((await read(files, { head: 'none' })).head, 'none');
  await refuses({ ...plainFiles, 'simgpt.json': { pooling: 'first' } }, 'modelInvalid', [
    'simgpt.json: field pooling',
    "'firstLastMean'",
    '"first"',
  ]);
  await refuses({ ...files, 'simgpt.json': { head: 'linear' } }, 'modelInvalid', ["'pooler'"]);
});

test('both forms of the pooling config give the order in which the reference concatenates', async () => {
  const flags = {
    word_embedding_dimension: 24,
    pooling_mode_lasttoken: true,
    pooling_mode_mean_tokens: true,
    pooling_mode_max_tokens: true,
    pooling_mode_cls_token: true,
    pooling_mode_weightedmean_tokens: true,
    pooling_mode_mean_sqrt_len_tokens: true,
  };
  const older = await read({ ...sentenceFiles, '1_Pooling/config.json': flags });
  assert.deepEqual(older.pooling, [
    'cls',
    'max',
    'mean',
    'meanSqrtLen',
    'weightedMean',
    'lastToken',
  ]);
  const listed = { embedding_dimension: 24, pooling_mode: ['lasttoken', 'cls'] };
  const newer = await read({ ...sentenceFiles, '1_Pooling/config.json': listed });
  assert.deepEqual(newer.pooling, ['lastToken', 'cls']);
  const none = { word_embedding_dimension: 24, pooling_mode_mean_tokens: false };
  const fallback = await read({ ...sentenceFiles, '1_Pooling/config.json': none });
  assert.deepEqual(fallback.pooling, ['mean']);
});

test('reads the module paths that newer releases write', async () => {
  const base = 'sentence_transformers.base.modules';
  const checkpoint = await read({
    ...sentenceFiles,
    ...modules(
      moduleRow(0, 'Transformer', `${base}.transformer.Transformer`),
      moduleRow(1, 'Pooling', 'sentence_transformers.sentence_transformer.modules.pooling.Pooling'),
      moduleRow(2, 'Normalize', `${base}.normalize.Normalize`),
    ),
    'sentence_bert_config.json': {
      transformer_task: 'feature-extraction',
      modality_config: {
        text: { method: 'forward', method_output_name: 'last_hidden_state' },
      },
      module_output_name: 'token_embeddings',
    },
    'tokenizer_config.json': { model_max_length: 40 },
  });
  assert.deepEqual([checkpoint.maxTokens, checkpoint.normalize], [40, true]);
});

test('reads Dense modules with every activation on the list', async () => {
  const names = {
    'torch.nn.modules.activation.Tanh': 'tanh',
    'torch.nn.modules.linear.Identity': 'identity',
    'torch.nn.modules.activation.ReLU': 'relu',
    'torch.nn.modules.activation.GELU': 'gelu',
  };
  for (const [name, activation] of Object.entries(names)) {
    const checkpoint = await read({
      ...sentenceFiles,
      ...modules(moduleRow(0, 'Transformer'), moduleRow(1, 'Pooling'), moduleRow(2, 'Dense')),
      '2_Dense/config.json': {
        in_features: 24,
        out_features: 8,
        bias: false,
        activation_function: name,
      },
      '2_Dense/model.safetensors': '',
    });
    const [dense] = checkpoint.dense;
    assert.deepEqual(
      [dense?.inFeatures, dense?.outFeatures, dense?.bias, dense?.activation],
      [24, 8, false, activation],
    );
    assert.equal(checkpoint.normalize, false);
  }
});

test('prompts and their default are read; a default without its prompt is refused', async () => {
  const prompts = { query: 'query: ', document: null, __proto__x: 'a' };
  const name = 'config_sentence_transformers.json';
  const files = { ...sentenceFiles, [name]: { prompts, default_prompt_name: 'query' } };
  const checkpoint = await read(files);
  assert.deepEqual(checkpoint.prompts, { query: 'query: ', document: '', __proto__x: 'a' });
  assert.equal(checkpoint.defaultPrompt, 'query');
  await refuses(
    { ...files, [name]: { prompts, default_prompt_name: 'toString' } },
    'modelInvalid',
    ['default_prompt_name', 'query, document'],
  );
  await refuses({ ...files, [name]: { model_type: 'SparseEncoder' } }, 'unsupported', [
    '"SentenceTransformer"',
  ]);
});

test('prompts that pooling leaves out are refused only where there are prompts', async () => {
  const pooling = { word_embedding_dimension: 24, pooling_mode: 'mean', include_prompt: false };
  const files = { ...sentenceFiles, '1_Pooling/config.json': pooling };
  assert.deepEqual((await read(files)).pooling, ['mean']);
  const prompts = { 'config_sentence_transformers.json': { prompts: { query: 'q: ' } } };
  await refuses({ ...files, ...prompts }, 'unsupported', ['include_prompt', 'true']);
});

test('the length limit follows the reference', async () => {
  const limit = async (extra: FolderFiles): Promise<number> =>
    (await read({ ...sentenceFiles, ...extra })).maxTokens;
  const settings = 'sentence_bert_config.json';
  const tokenizer = 'tokenizer_config.json';
  assert.equal(await limit({}), 32);
  assert.equal(await limit({ [tokenizer]: { model_max_length: 20 } }), 32);
  assert.equal(await limit({ [settings]: {}, [tokenizer]: { model_max_length: 20 } }), 20);
  assert.equal(await limit({ [settings]: {}, [tokenizer]: { model_max_length: 1e30 } }), 64);
  assert.equal(await limit({ [settings]: { max_seq_length: 512 } }), 64);
  assert.equal(await limit({ [settings]: { max_seq_length: null } }), 64);
  const roberta = { ...bertConfig, model_type: 'roberta', max_position_embeddings: 66 };
  const read66 = await read({ ...sentenceFiles, 'config.json': roberta, [settings]: {} });
  assert.deepEqual([read66.maxTokens, read66.config.positionOffset], [64, 2]);
});

test('the tokenizer files are found in the reference order', async () => {
  const without = { ...plainFiles, 'tokenizer.json': undefined };
  const wordPiece = await read(
    { ...without, 'vocab.txt': '', 'tokenizer_config.json': { do_lower_case: false } },
    { pooling: 'cls' },
  );
  assert.deepEqual(
    { ...wordPiece.tokenizer, vocabPath: '' },
    {
      kind: 'wordPiece',
      vocabPath: '',
      lowercase: false,
      stripAccents: null,
      handleChineseChars: true,
    },
  );
  const roberta = { ...without, 'config.json': { ...bertConfig, model_type: 'roberta' } };
  const bpe = await read({ ...roberta, 'vocab.json': '{}', 'merges.txt': '' }, { pooling: 'cls' });
  assert.equal(bpe.tokenizer.kind === 'byteLevelBpe' && bpe.tokenizer.specials, 'roberta');
  const unigram = { ...roberta, 'sentencepiece.bpe.model': '' };
  await refuses(unigram, 'unsupported', ['Unigram', 'vocab.txt'], { pooling: 'cls' });
  await refuses(without, 'fileNotFound', ['tokenizer.json'], { pooling: 'cls' });
});

test('a sharded index gives its files once each', async () => {
  const files = {
    ...plainFiles,
    'model.safetensors': undefined,
    'model-1.safetensors': '',
    'model-2.safetensors': '',
    'model.safetensors.index.json': {
      weight_map: { a: 'model-2.safetensors', b: 'model-1.safetensors', c: 'model-2.safetensors' },
    },
  };
  const checkpoint = await read(files, { pooling: 'cls' });
  const names = checkpoint.weights.map((path) => path.slice(checkpoint.dir.length + 1));
  assert.deepEqual(names, ['model-1.safetensors', 'model-2.safetensors']);
  await refuses(
    { ...files, 'model-1.safetensors': undefined },
    'fileNotFound',
    ['model-1.safetensors'],
    { pooling: 'cls' },
  );
});

test('activations are told apart exactly', async () => {
  const activation = async (name: string): Promise<string> => {
    const files = { ...plainFiles, 'config.json': { ...bertConfig, hidden_act: name } };
    return (await read(files, { pooling: 'cls' })).config.activation;
  };
  assert.equal(await activation('gelu'), 'gelu');
  assert.equal(await activation('gelu_new'), 'geluTanh');
  assert.equal(await activation('gelu_pytorch_tanh'), 'geluTanh');
  await assert.rejects(activation('gelu_fast'), /expected 'gelu', 'gelu_new' or 'gelu_pytorch/);
  await assert.rejects(activation('relu'), /hidden_act/);
});

test('models that come later are refused by name', async () => {
  for (const [type, name] of [
    ['mpnet', 'MPNet'],
    ['distilbert', 'DistilBERT'],
    ['modernbert', 'ModernBERT'],
    ['llama', '"llama"'],
  ] as const) {
    const files = { ...sentenceFiles, 'config.json': { ...bertConfig, model_type: type } };
    await refuses(files, 'unsupported', ['model_type', name, "'bert', 'roberta' or 'xlm-roberta'"]);
  }
});

test('every wrong field of config.json is named with what is accepted', async () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['vocab_size', 0, 'a whole number from 1'],
    ['vocab_size', '100', 'a whole number from 1'],
    ['hidden_size', 1e9, 'to 65536'],
    ['hidden_size', 24.5, 'to 65536'],
    ['num_attention_heads', 5, 'a divisor of hidden_size 24'],
    ['num_hidden_layers', null, 'received nothing'],
    ['intermediate_size', -1, 'received -1'],
    ['max_position_embeddings', 1, 'room for 3 tokens'],
    ['layer_norm_eps', 'x', 'a number from 0 to 1'],
    ['pad_token_id', 100, 'from 0 to 99'],
    ['position_embedding_type', 'alibi', '"absolute"'],
    ['is_decoder', true, 'expected false'],
    ['quantization_config', { bits: 4 }, 'expected nothing'],
  ];
  for (const [field, value, expected] of cases) {
    await assert.rejects(
      read({ ...plainFiles, 'config.json': { ...bertConfig, [field]: value } }, { pooling: 'cls' }),
      (error: unknown) => {
        assert.ok(error instanceof SimgptError);
        assert.match(error.message, new RegExp(`config.json: field ${field}: expected `));
        assert.ok(error.message.includes(expected), error.message);
        return true;
      },
    );
  }
});

test('JSON beyond the limits, broken or not UTF-8 is refused', async () => {
  const config = (content: unknown): FolderFiles => ({ ...plainFiles, 'config.json': content });
  await refuses(config('{"a":'), 'fileInvalid', ['config.json', 'expected JSON']);
  await refuses(config('[]'), 'fileInvalid', ['a JSON object']);
  await refuses(config(new Uint8Array([0x22, 0xff, 0x22])), 'fileInvalid', ['UTF-8']);
  await refuses(config('['.repeat(65)), 'fileInvalid', ['at most 64 deep, received 65']);
  const huge = ' '.repeat(16 * 1024 * 1024) + '{}';
  await refuses(config(huge), 'fileInvalid', ['at most 16777216 bytes']);
  const polluting = `{"__proto__": {"polluted": 1}, ${JSON.stringify(bertConfig).slice(1)}`;
  await read(config(polluting), { pooling: 'cls' });
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('module orders and settings that would change the vectors are refused', async () => {
  const [transformer, pool, norm] = [
    moduleRow(0, 'Transformer'),
    moduleRow(1, 'Pooling'),
    moduleRow(2, 'Normalize'),
  ];
  const order = async (...rows: readonly unknown[]): Promise<void> =>
    refuses({ ...sentenceFiles, ...modules(...rows) }, 'unsupported', ['in this order']);
  await order();
  await order(transformer);
  await order(pool, transformer);
  await order(transformer, pool, norm, moduleRow(3, 'Dense'));
  await order(transformer, pool, pool);
  const settings = async (value: unknown, part: string): Promise<void> =>
    refuses({ ...sentenceFiles, 'sentence_bert_config.json': value }, 'unsupported', [part]);
  await settings({ transformer_task: 'fill-mask' }, 'transformer_task');
  await settings({ tokenizer_args: { padding_side: 'left' } }, 'tokenizer_args');
  await settings({ modality_config: { image: {} } }, 'modality_config');
  await settings({ query_length: 32 }, 'query_length');
  await refuses({ ...sentenceFiles, 'adapter_config.json': {} }, 'unsupported', ['adapter']);
});

test('a Dense module must fit what comes before it', async () => {
  const files = {
    ...sentenceFiles,
    ...modules(moduleRow(0, 'Transformer'), moduleRow(1, 'Pooling'), moduleRow(2, 'Dense')),
    '2_Dense/model.safetensors': '',
    '2_Dense/config.json': { in_features: 25, out_features: 8 },
  };
  await refuses(files, 'modelInvalid', ['in_features', 'expected 24', 'received 25']);
  const residual = { in_features: 24, out_features: 8, use_residual: true };
  await refuses({ ...files, '2_Dense/config.json': residual }, 'unsupported', ['use_residual']);
});

test('a missing folder or file is named', async () => {
  await assert.rejects(
    readCheckpoint('/nowhere/model'),
    /\/nowhere\/model: expected a model folder/,
  );
  await refuses({ ...plainFiles, 'config.json': undefined }, 'fileNotFound', ['config.json']);
  await refuses(
    { ...plainFiles, 'model.safetensors': undefined },
    'fileNotFound',
    ['model.safetensors'],
    { pooling: 'cls' },
  );
  await refuses({ ...sentenceFiles, '1_Pooling/config.json': undefined }, 'fileNotFound', [
    '1_Pooling/config.json',
  ]);
});
