import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { readCheckpoint } from '#dist/encoder/checkpoint.js';
import type { Checkpoint } from '#dist/encoder/checkpoint.js';
import { Encoder } from '#dist/encoder/encoder.js';
import { exportCheckpoint } from '#dist/encoder/export.js';
import { countTokens } from '#dist/encoder/token_counts.js';
import { cutTokenizerJson, readVocabulary, tokensToKeep } from '#dist/encoder/vocabulary.js';
import { temporaryFolder } from '../temporary_folder.js';
import { repoRoot } from '../shared_data.js';

const golden = join(repoRoot, 'test/golden/bert-erf');
const texts = ['the women play a long game', 'a man plays one word', 'The man, the game.'];

async function tokensOf(encoder: Encoder, text: string): Promise<readonly (string | undefined)[]> {
  const { tokens } = await readVocabulary(encoder.checkpoint);
  const { tokenIds } = await encoder.tokenize([text]);
  return Array.from(tokenIds, (id) => tokens[id]);
}

/** The same model with the vocabulary that the texts leave. */
async function cut(source: Checkpoint, target: string, minCount = 1): Promise<Encoder> {
  const counts = await countTokens(source, [texts]);
  const tokens = tokensToKeep(await readVocabulary(source), counts, minCount);
  await exportCheckpoint(source, target, { tokens });
  return Encoder.load(target, { precision: 'float32' });
}

test('a cut vocabulary gives texts of kept tokens the same tokens and the same vectors', async (context) => {
  const folder = await temporaryFolder(context);
  const source = await readCheckpoint(golden, { pooling: 'mean' });
  await using whole = await Encoder.load(golden, { pooling: 'mean', precision: 'float32' });
  await using small = await cut(source, join(folder, 'small'));
  const [before, after] = [source.config.vocabSize, small.checkpoint.config.vocabSize];
  assert.ok(after < before && after > 5, `${after} of ${before} tokens`);
  for (const text of texts)
    assert.deepEqual(await tokensOf(small, text), await tokensOf(whole, text));
  const [expected, received] = [await whole.embed(texts), await small.embed(texts)];
  for (const [i, value] of expected.embeddings.entries()) {
    assert.ok(Math.abs(value - received.embeddings[i]!) < 1e-6, `value ${i}`);
  }
  // Ids are packed, and what stands around a text has moved with its tokens.
  const { tokens } = await readVocabulary(small.checkpoint);
  assert.equal(tokens.length, after);
  assert.ok(tokens.every((token) => token !== undefined));
  const [first, ...rest] = await tokensOf(small, 'man');
  assert.deepEqual([first, rest.at(-1)], ['[CLS]', '[SEP]']);
});

test('a word that lost its piece is spelled out of shorter ones, never unknown', async (context) => {
  const folder = await temporaryFolder(context);
  const dir = join(folder, 'letters');
  const letters = Array.from('abcdefghijklmnopqrstuvwxyz');
  const marked = letters.map((letter) => `##${letter}`);
  const names = ['[PAD]', '[unused0]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const words = ['game', 'games', '##me', '女', '##女', 'é', '##é'];
  const lines = [...names, ...words, ...letters, ...marked];
  const source = await readCheckpoint(golden, { pooling: 'mean' });
  await exportCheckpoint(source, dir);
  await writeFile(join(dir, 'vocab.txt'), `${lines.join('\n')}\n`);
  const tokenizer = { kind: 'wordPiece', vocabPath: join(dir, 'vocab.txt') } as const;
  const bert = { lowercase: true, stripAccents: null, handleChineseChars: true };
  const written = { ...source, tokenizer: { ...tokenizer, ...bert } };
  const counts = await countTokens(written, [['a game', 'game of 女'], ['games']]);
  const vocabulary = await readVocabulary(written);
  const kept = tokensToKeep(vocabulary, counts, 2).map((id) => vocabulary.tokens[id]);
  assert.deepEqual(kept, [
    ...names.filter((name) => name !== '[unused0]'),
    'game',
    '女',
    '##女',
    ...letters,
    ...marked,
  ]);
});

test('every file that names a token is cut alike', async (context) => {
  const folder = await temporaryFolder(context);
  const source = await readCheckpoint(golden, { pooling: 'mean' });
  const [whole, target] = [join(folder, 'whole'), join(folder, 'small')];
  await exportCheckpoint(source, whole);
  const { tokens } = await readVocabulary(source);
  await writeFile(join(whole, 'vocab.txt'), tokens.map((token) => `${token}\n`).join(''));
  const sep = tokens.indexOf('[SEP]');
  await writeFile(join(whole, 'added_tokens.json'), JSON.stringify({ '[SEP]': sep }));
  const config = { added_tokens_decoder: { [sep]: { content: '[SEP]' } } };
  await writeFile(join(whole, 'tokenizer_config.json'), JSON.stringify(config));
  await using small = await cut(await readCheckpoint(whole), target);
  const left = (await readVocabulary(small.checkpoint)).tokens;
  const read = (name: string): Promise<string> => readFile(join(target, name), 'utf8');
  assert.deepEqual((await read('vocab.txt')).trimEnd().split('\n'), left);
  const moved = left.indexOf('[SEP]');
  assert.deepEqual(JSON.parse(await read('added_tokens.json')), { '[SEP]': moved });
  const { added_tokens_decoder: decoder } = JSON.parse(await read('tokenizer_config.json')) as {
    added_tokens_decoder: object;
  };
  assert.deepEqual(decoder, { [moved]: { content: '[SEP]' } });
});

test('a cut that would lose a special token, or of another tokenizer, is refused', async (context) => {
  const folder = await temporaryFolder(context);
  const target = join(folder, 'small');
  const source = await readCheckpoint(golden, { pooling: 'mean' });
  for (const tokens of [[], [3, 2], [0, 0], [0, 1_000_000]]) {
    await assert.rejects(exportCheckpoint(source, target, { tokens }), {
      name: 'RangeError',
      message: /^expected tokens to be ids of the vocabulary, ascending, received \d/,
    });
  }
  await assert.rejects(exportCheckpoint(source, target, { tokens: [0, 1] }), {
    name: 'RangeError',
    message: /^expected tokens to keep \[/,
  });
  const roberta = await readCheckpoint(join(repoRoot, 'test/golden/roberta-erf'), {
    pooling: 'mean',
  });
  await assert.rejects(exportCheckpoint(roberta, target, { tokens: [0, 1, 2, 3] }), {
    code: 'unsupported',
    message: /^expected a BERT with a WordPiece vocabulary/,
  });
});

test('ids in every form of post-processor, padding and added tokens are the new ones', () => {
  const special = (id: number, content: string) => ({ id, content, special: true });
  const json = {
    version: '1.0',
    padding: { strategy: 'BatchLongest', pad_id: 4, pad_token: '[PAD]' },
    added_tokens: [special(4, '[PAD]'), special(6, '[CLS]'), special(9, '[SEP]')],
    post_processor: {
      type: 'Sequence',
      processors: [
        { type: 'BertProcessing', sep: ['[SEP]', 9], cls: ['[CLS]', 6] },
        {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }],
          special_tokens: { '[CLS]': { id: '[CLS]', ids: [6], tokens: ['[CLS]'] } },
        },
      ],
    },
    model: {
      type: 'WordPiece',
      unk_token: 'x',
      vocab: { x: 1, y: 2, 7: 3, '[PAD]': 4, __proto: 8 },
    },
  };
  assert.deepEqual(cutTokenizerJson(json, [1, 3, 4, 6, 9]), {
    ...json,
    padding: { ...json.padding, pad_id: 2 },
    added_tokens: [special(2, '[PAD]'), special(3, '[CLS]'), special(4, '[SEP]')],
    post_processor: {
      type: 'Sequence',
      processors: [
        { type: 'BertProcessing', sep: ['[SEP]', 4], cls: ['[CLS]', 3] },
        {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }],
          special_tokens: { '[CLS]': { id: '[CLS]', ids: [3], tokens: ['[CLS]'] } },
        },
      ],
    },
    model: { type: 'WordPiece', unk_token: 'x', vocab: { x: 0, 7: 1, '[PAD]': 2 } },
  });
  assert.throws(() => cutTokenizerJson(json, [1, 4, 6]), {
    code: 'unsupported',
    message: /^expected token 9 to be kept/,
  });
});
