import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { native } from '#dist/native.js';
import type { NativeTokenizer } from '#dist/native.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import {
  differences,
  idsOf,
  loadOurs,
  loadReference,
  packed,
  textsOf,
  tokenizerNames,
  tokenizerPath,
} from './tokenizer_oracle.js';
import { randomTexts } from './tokenizer_texts.js';
import { smallByteLevel, smallWordPiece } from './tokenizer_models.js';
import type { TokenizerJson } from './tokenizer_models.js';

interface Vector {
  readonly text: string;
  readonly ids: readonly number[];
}

function vectors(file: string): Vector[] {
  const bytes = readFileSync(join(sharedDir!, 'data/tokenizers/vectors', file));
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Vector);
}

// File of vectors, tokenizer, whether the ids hold the specials.
const vectorFiles = [
  ['bert-base-uncased.llama_cpp.jsonl', 'bert-base-uncased', false],
  ['bert-base-uncased.rust_tokenizers.jsonl', 'bert-base-uncased', true],
  ['bert-base-uncased.squad_dev.jsonl.gz', 'bert-base-uncased', false],
  ['gpt2.llama_cpp.jsonl', 'gpt2', false],
  ['gpt2.long_texts.jsonl', 'gpt2', false],
  ['gpt2.rust_tokenizers.jsonl', 'gpt2', false],
  ['roberta-base.derived_from_gpt2.jsonl', 'roberta-base', false],
  ['roberta-base.rust_tokenizers.jsonl', 'roberta-base', true],
] as const;

const literalSpecial = /\[(?:SEP|CLS|MASK)\]|<\|endoftext\|>|<\/?s>/;

for (const [file, name, addSpecialTokens] of vectorFiles) {
  test(`${file}: ids equal the published ones`, { skip: skipWithoutShared }, async () => {
    // rust_tokenizers puts a space before the text of RoBERTa.
    const ours =
      file === 'roberta-base.rust_tokenizers.jsonl'
        ? await loadOurs({
            kind: 'byteLevelBpe',
            vocabPath: tokenizerPath(sharedDir!, name, 'vocab.json'),
            mergesPath: tokenizerPath(sharedDir!, name, 'merges.txt'),
            addPrefixSpace: true,
            specials: 'roberta',
          })
        : await loadOurs(tokenizerPath(sharedDir!, name));
    const rows = vectors(file);
    const ids = await idsOf(
      ours,
      rows.map((row) => row.text),
      { addSpecialTokens },
    );
    assert.ok(rows.length > 0);
    for (const [i, row] of rows.entries()) {
      // Where a special token stands in the text, `tokenizers` disagrees, and it decides.
      if (!literalSpecial.test(row.text)) assert.deepEqual(ids[i], row.ids, row.text);
    }
    await ours.dispose();
  });
}

for (const name of tokenizerNames) {
  test(
    `${name}: ids equal the reference's on all STS sentences, every 16th pair text and 10,000 random strings`,
    {
      skip: skipWithoutShared,
    },
    async () => {
      const path = tokenizerPath(sharedDir!, name);
      const ours = await loadOurs(path);
      const reference = loadReference(readFileSync(path, 'utf8'));
      const texts = [
        ...textsOf(sharedDir!, 'sts'),
        ...textsOf(sharedDir!, 'pairs').filter((_, i) => i % 16 === 0),
        ...randomTexts(10_000, 11),
        ...vectorFiles.flatMap(([file, of]) =>
          of === name ? vectors(file).map((v) => v.text) : [],
        ),
      ];
      assert.deepEqual(await differences(ours, reference, texts), []);
      const edge = [
        '',
        ' ',
        '\n',
        "'",
        '\u0301',
        '\u0000',
        '[SEP]',
        'a [MASK]b',
        ' <mask>.',
        '</s>',
      ];
      assert.deepEqual(await differences(ours, reference, edge, false), []);
      await ours.dispose();
    },
  );
}

test(
  'vocab.txt, vocab.json and merges.txt give the ids of the tokenizer.json',
  {
    skip: skipWithoutShared,
  },
  async () => {
    const texts = [...textsOf(sharedDir!, 'sts').slice(0, 5000), ...randomTexts(2000, 5)];
    const path = (name: string, file: string): string => tokenizerPath(sharedDir!, name, file);
    for (const [name, lowercase] of [
      ['bert-base-uncased', true],
      ['bert-base-cased', false],
    ] as const) {
      const plain = await loadOurs({
        kind: 'wordPiece',
        vocabPath: path(name, 'vocab.txt'),
        lowercase,
        stripAccents: null,
        handleChineseChars: true,
      });
      const whole = await loadOurs(path(name, 'tokenizer.json'));
      assert.deepEqual(await idsOf(plain, texts), await idsOf(whole, texts), name);
      assert.deepEqual(plain.info().vocabSize, whole.info().vocabSize);
    }
    for (const [name, specials] of [
      ['roberta-base', 'roberta'],
      ['gpt2', 'none'],
    ] as const) {
      const plain = await loadOurs({
        kind: 'byteLevelBpe',
        vocabPath: path(name, 'vocab.json'),
        mergesPath: path(name, 'merges.txt'),
        addPrefixSpace: false,
        specials,
      });
      const whole = await loadOurs(path(name, 'tokenizer.json'));
      assert.deepEqual(await idsOf(plain, texts), await idsOf(whole, texts), name);
    }
  },
);

/** One small tokenizer of each kind, disposed of when the test ends. */
async function bothKinds(context: TestContext): Promise<(readonly [string, NativeTokenizer])[]> {
  const folder = await temporaryFolder(context);
  const load = async (kind: string, config: TokenizerJson) => {
    writeFileSync(join(folder, `${kind}.json`), JSON.stringify(config));
    const tokenizer = await loadOurs(join(folder, `${kind}.json`));
    context.after(() => tokenizer.dispose());
    return [kind, tokenizer] as const;
  };
  return [await load('WordPiece', smallWordPiece()), await load('BPE', smallByteLevel())];
}

test('a longer text loses its end and keeps its specials; full lengths stay', async (context) => {
  const path = join(await temporaryFolder(context), 'tokenizer.json');
  writeFileSync(path, JSON.stringify(smallWordPiece()));
  const tokenizer = await loadOurs(path);
  const { bytes, offsets } = packed(['a b c', 'a', '', 'a b c a b c']);
  const result = await tokenizer.tokenize(bytes, offsets, { maxTokens: 4 }, 0);
  const id = (token: string): number => tokenizer.tokenToId(token)!;
  const [cls, sep, a, b] = ['[CLS]', '[SEP]', 'a', 'b'].map(id);
  assert.deepEqual([...result.cuSeqlens], [0, 4, 7, 9, 13]);
  assert.deepEqual([...result.fullLengths], [5, 3, 2, 8]);
  assert.deepEqual([...result.tokenIds], [cls, a, b, sep, cls, a, sep, cls, sep, cls, a, b, sep]);
  await assert.rejects(tokenizer.tokenize(bytes, offsets, { maxTokens: 1 }, 0), {
    name: 'RangeError',
    message: 'expected maxTokens >= 2, received 1',
  });
  assert.equal(tokenizer.tokenToId('no such token'), undefined);
  await tokenizer.dispose();
  await tokenizer.dispose();
  assert.throws(() => tokenizer.info(), { code: 'disposed' });
});

test('the ids do not depend on the thread count, and order is kept', async (context) => {
  const texts = randomTexts(20_000, 3);
  for (const [kind, tokenizer] of await bothKinds(context)) {
    const one = await idsOf(tokenizer, texts, { threads: 1 });
    assert.deepEqual(await idsOf(tokenizer, texts, { threads: 7 }), one, kind);
  }
});

test('twice the text takes twice the tokens, also where a word is a megabyte long', async (context) => {
  for (const [kind, tokenizer] of await bothKinds(context)) {
    for (const unit of ['a', 'ab ', '\u0301', ' ', "'", '<', '你', '\n ', '[CLS]']) {
      const once = unit.repeat(Math.floor((1 << 20) / unit.length));
      const [short, long] = await idsOf(tokenizer, [once, once + once], {
        addSpecialTokens: false,
      });
      assert.ok(
        Math.abs(long!.length - 2 * short!.length) <= 2,
        `${kind} ${JSON.stringify(unit)}: ${short!.length}, then ${long!.length}`,
      );
    }
  }
});

test('cancel stops the tokenizing of a large batch', async (context) => {
  const path = join(await temporaryFolder(context), 'bpe.json');
  writeFileSync(path, JSON.stringify(smallByteLevel()));
  const tokenizer = await loadOurs(path);
  const { bytes, offsets } = packed(Array<string>(64).fill('ab'.repeat(1 << 19)));
  const job = tokenizer.tokenize(bytes, offsets, { threads: 1 }, 77);
  native().cancel(77);
  await assert.rejects(job, { code: 'cancelled' });
  await tokenizer.dispose();
});

test('tokenize refuses bytes and offsets that do not belong together', async (context) => {
  const path = join(await temporaryFolder(context), 'tokenizer.json');
  writeFileSync(path, JSON.stringify(smallWordPiece()));
  const tokenizer = await loadOurs(path);
  const bytes = Buffer.from('abc');
  for (const offsets of [[], [0, 4], [1, 3], [0, 2], [0, 3, 2, 3], [0, Number.NaN]]) {
    assert.throws(() => tokenizer.tokenize(bytes, new Float64Array(offsets), undefined, 0));
  }
  await tokenizer.dispose();
});

test('bytes that are no UTF-8 are read as U+FFFD, never past their end', async (context) => {
  for (const [kind, tokenizer] of await bothKinds(context)) {
    for (let first = 0x80; first < 0x100; first++) {
      const bytes = Buffer.from([0x61, first, 0x80, first, 0xbf, 0x62, first]);
      const offsets = Float64Array.from({ length: 8 }, (_, i) => i);
      const { cuSeqlens } = await tokenizer.tokenize(bytes, offsets, undefined, 0);
      assert.equal(cuSeqlens.length, 8, kind);
    }
  }
});
