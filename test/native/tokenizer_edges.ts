import { smallByteLevel, smallWordPiece } from './tokenizer_models.js';
import type { Json, TokenizerJson } from './tokenizer_models.js';

/** A tokenizer.json as text and what loading it must answer: 'ok', or code and part of the message. */
export interface EdgeFile {
  readonly name: string;
  readonly text: string | Uint8Array;
  readonly verdict: 'ok' | readonly [code: RegExp, message: string];
}

type Mutable = { [key: string]: Json };

/** A copy of the model with the value at a dotted path replaced; undefined deletes it. */
function changed(base: TokenizerJson, path: string, value: Json | undefined): string {
  const copy = structuredClone(base) as unknown as Mutable;
  const keys = path.split('.');
  const last = keys.pop()!;
  let at = copy;
  for (const key of keys) at = at[key] as Mutable;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(copy);
}

// What every field is tried with.
const values = { null: null, true: true, '-1': -1, '"x"': 'x', '[]': [], '{}': {} };
const all = Object.keys(values).join(' ');

// Path, and which of the values above load.
const wordPieceFields: readonly (readonly [path: string, accepted: string])[] = [
  ['version', ''],
  ['truncation', 'null'],
  ['truncation.max_length', ''],
  ['truncation.strategy', ''],
  ['truncation.stride', ''],
  ['padding', 'null'],
  ['padding.strategy', ''],
  ['padding.direction', ''],
  ['padding.pad_to_multiple_of', 'null'],
  ['padding.pad_id', ''],
  ['padding.pad_token', '"x"'],
  ['added_tokens', '[]'],
  ['added_tokens.0', ''],
  ['added_tokens.0.id', ''],
  ['added_tokens.0.content', ''],
  ['added_tokens.0.single_word', 'true'],
  ['added_tokens.0.lstrip', 'true'],
  ['added_tokens.0.rstrip', 'true'],
  ['added_tokens.0.normalized', 'true'],
  ['added_tokens.0.special', 'true'],
  ['normalizer', 'null'],
  ['normalizer.type', ''],
  ['normalizer.clean_text', 'true'],
  ['normalizer.handle_chinese_chars', 'true'],
  ['normalizer.strip_accents', 'null true'],
  ['normalizer.lowercase', 'true'],
  ['pre_tokenizer', ''],
  ['pre_tokenizer.type', ''],
  ['post_processor', 'null'],
  ['post_processor.type', ''],
  ['post_processor.single', ''],
  ['post_processor.single.0', ''],
  ['post_processor.pair', '[]'],
  ['post_processor.special_tokens', ''],
  ['decoder', all],
  ['model', ''],
  ['model.type', ''],
  ['model.unk_token', ''],
  ['model.continuing_subword_prefix', '"x"'],
  ['model.max_input_chars_per_word', ''],
  ['model.vocab', ''],
  ['model.vocab.a', ''],
];
const byteLevelFields: readonly (readonly [path: string, accepted: string])[] = [
  ['normalizer', 'null'],
  ['pre_tokenizer', ''],
  ['pre_tokenizer.add_prefix_space', 'true'],
  ['pre_tokenizer.trim_offsets', 'true'],
  ['pre_tokenizer.use_regex', 'true'],
  ['post_processor.sep', ''],
  ['post_processor.cls', ''],
  ['post_processor.trim_offsets', 'true'],
  ['post_processor.add_prefix_space', 'true'],
  ['model.dropout', 'null'],
  ['model.unk_token', 'null "x"'],
  ['model.continuing_subword_prefix', 'null'],
  ['model.end_of_word_suffix', 'null'],
  ['model.fuse_unk', 'true'],
  ['model.byte_fallback', ''],
  ['model.ignore_merges', 'true'],
  ['model.vocab', ''],
  ['model.merges', '[]'],
  ['model.merges.0', ''],
];

function fieldFiles(
  base: TokenizerJson,
  fields: readonly (readonly [path: string, accepted: string])[],
): EdgeFile[] {
  return fields.flatMap(([path, accepted]) =>
    Object.entries(values).map(([label, value]): EdgeFile => {
      const loads = accepted.split(' ').includes(label);
      const part = path.split('.')[0]!;
      return {
        name: `${path} = ${label}`,
        text: changed(base, path, value),
        verdict: loads ? 'ok' : [/^(?:tokenizerInvalid|unsupported)$/, part],
      };
    }),
  );
}

const wordPiece = smallWordPiece();
const byteLevel = smallByteLevel();
const whole = JSON.stringify(wordPiece);
const invalid = /^tokenizerInvalid$/;
const unsupported = /^unsupported$/;
const vocab = byteLevel.model['vocab'] as { [token: string]: number };

function wp(path: string, value: Json | undefined): string {
  return changed(wordPiece, path, value);
}
function bpe(path: string, value: Json | undefined): string {
  return changed(byteLevel, path, value);
}
function bytes(...parts: readonly (string | number)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))),
  );
}

const handMade: readonly (readonly [
  name: string,
  text: string | Uint8Array,
  verdict: EdgeFile['verdict'],
])[] = [
  ['empty file', '', [invalid, 'byte 0']],
  ['white space alone', ' \n', [invalid, 'byte 2']],
  ['no object', '[]', [invalid, 'expected the file to be an object']],
  ['cut in half', whole.slice(0, whole.length / 2), [invalid, 'the end of the text']],
  ['bytes after the end', `${whole} x`, [invalid, 'expected the end of the text']],
  ['byte-order mark', `\ufeff${whole}`, [invalid, 'byte 0']],
  ['NUL in a string', whole.replace('"1.0"', '"1.0\u0000"'), [invalid, 'control character']],
  ['broken UTF-8', bytes('{"version":"', 0xc3, '"}'), [invalid, 'UTF-8']],
  ['overlong UTF-8', bytes('{"version":"', 0xc0, 0x80, '"}'), [invalid, 'UTF-8']],
  ['surrogate in UTF-8', bytes('{"version":"', 0xed, 0xa0, 0x80, '"}'), [invalid, 'UTF-8']],
  ['lone surrogate escape', '{"version":"\\ud800"}', [invalid, 'surrogate']],
  ['a million brackets', `{"decoder":${'['.repeat(1e6)}`, [invalid, 'nesting']],
  ['nesting of 62', wp('decoder', JSON.parse('['.repeat(62) + ']'.repeat(62)) as Json), 'ok'],
  ['version twice', whole.replace('{', '{"version":"1.0",'), [invalid, '"version" twice']],
  ['escaped key twice', whole.replace('{', '{"\\u0076ersion":"1.0",'), [invalid, 'twice']],
  ['token twice', whole.replace('"vocab":{', '"vocab":{"a":7,'), [invalid, '"a" twice']],
  [
    'flag twice',
    whole.replace('"lowercase":', '"lowercase":true,"lowercase":'),
    [invalid, 'twice'],
  ],
  ['unknown field', whole.replace('{', '{"extra":1,'), [unsupported, 'extra']],
  ['unknown field of the model', wp('model.extra', 1), [unsupported, 'model.extra']],
  ['__proto__ as a field', whole.replace('{', '{"__proto__":1,'), [unsupported, '__proto__']],
  ['no version', wp('version', undefined), [invalid, '"version"']],
  ['no model', wp('model', undefined), [invalid, '"model"']],
  ['no vocabulary', wp('model.vocab', undefined), [invalid, '"vocab"']],
  ['no unknown token', wp('model.unk_token', undefined), [invalid, '"unk_token"']],
  [
    'Unigram',
    wp('model', { type: 'Unigram', unk_id: 0, vocab: [['a', 0]] }),
    [unsupported, 'Unigram'],
  ],
  ['WordLevel', wp('model.type', 'WordLevel'), [unsupported, '"WordLevel"']],
  ['no type: WordPiece by its fields', wp('model.type', undefined), 'ok'],
  ['no type: BPE by its fields', bpe('model.type', undefined), 'ok'],
  ['no type, neither', wp('model', { vocab: { a: 0 } }), [unsupported, 'fields of neither']],
  ['id 2^32 - 1', wp('model.vocab.a', 2 ** 32 - 1), [invalid, '4294967295']],
  ['id at the limit', wp('model.vocab.a', 4_000_000), [invalid, '3999999']],
  ['id below the limit', wp('model.vocab.a', 3_999_999), 'ok'],
  ['id with a fraction', wp('model.vocab.a', 1.5), [invalid, '1.5']],
  ['id beyond 64 bits', whole.replace('"a":5', '"a":99999999999999999999'), [invalid, '64-bit']],
  ['token of 1024 bytes', JSON.stringify(smallWordPiece(['x'.repeat(1024)])), 'ok'],
  ['token of 1025 bytes', JSON.stringify(smallWordPiece(['x'.repeat(1025)])), [invalid, '1024']],
  ['padding of 10^9', wp('padding.strategy', { Fixed: 1e9 }), 'ok'],
  ['padding on the left', wp('padding.direction', 'Left'), 'ok'],
  ['truncation on the left', wp('truncation.direction', 'Left'), [unsupported, '"Left"']],
  ['10^15 characters a word', wp('model.max_input_chars_per_word', 1e15), 'ok'],
  ['unknown token absent', wp('model.unk_token', '[NONE]'), [invalid, '[NONE]']],
  ['added token with another id', wp('added_tokens.0.id', 3), [invalid, 'to be 0, received 3']],
  [
    'added token twice',
    wp(
      'added_tokens.1',
      wordPiece.added_tokens === null ? null : (wordPiece.added_tokens as Json[])[0]!,
    ),
    [invalid, 'again'],
  ],
  [
    'sequence twice',
    wp('post_processor.single.0', { Sequence: { id: 'A', type_id: 0 } }),
    [unsupported, '2 times'],
  ],
  [
    'sequence B alone',
    wp('post_processor.single.1', { Sequence: { id: 'B', type_id: 0 } }),
    [invalid, '"A"'],
  ],
  [
    'second token type',
    wp('post_processor.single.0', { SpecialToken: { id: '[CLS]', type_id: 1 } }),
    [unsupported, 'type_id'],
  ],
  [
    'template of an unnamed token',
    wp('post_processor.single.0', { SpecialToken: { id: '[X]', type_id: 0 } }),
    [invalid, '[X]'],
  ],
  [
    'template with another id',
    wp('post_processor.special_tokens.[CLS].ids', [3]),
    [invalid, 'where the vocabulary has id 2'],
  ],
  [
    'template beyond the vocabulary',
    wp('post_processor.special_tokens.[CLS].ids', [2 ** 31]),
    [invalid, '2147483648'],
  ],
  [
    'template with more ids than tokens',
    wp('post_processor.special_tokens.[CLS].ids', [2, 2]),
    [invalid, 'as many'],
  ],
  ['RobertaProcessing of an absent token', bpe('post_processor.cls', ['<x>', 0]), [invalid, '<x>']],
  ['RobertaProcessing with another id', bpe('post_processor.cls', ['<s>', 9]), [invalid, 'id 0']],
  [
    'Sequence post-processor',
    bpe('post_processor', { type: 'Sequence', processors: [] }),
    [unsupported, '"Sequence"'],
  ],
  [
    'Sequence normalizer',
    wp('normalizer', { type: 'Sequence', normalizers: [] }),
    [unsupported, '"Sequence"'],
  ],
  ['NFC before BPE', bpe('normalizer', { type: 'NFC' }), [unsupported, '"NFC"']],
  [
    'Split by a regular expression',
    bpe('pre_tokenizer', {
      type: 'Split',
      pattern: { Regex: '(a+)+$' },
      behavior: 'Isolated',
      invert: false,
    }),
    [unsupported, '"Split"'],
  ],
  [
    'ByteLevel without its pattern',
    bpe('pre_tokenizer.use_regex', false),
    [unsupported, 'use_regex'],
  ],
  [
    'BertPreTokenizer before BPE',
    bpe('pre_tokenizer', { type: 'BertPreTokenizer' }),
    [unsupported, '"ByteLevel"'],
  ],
  ['dropout', bpe('model.dropout', 0.1), [unsupported, 'dropout']],
  ['byte fallback', bpe('model.byte_fallback', true), [unsupported, 'byte_fallback']],
  ['suffix', bpe('model.end_of_word_suffix', '</w>'), [unsupported, 'end_of_word_suffix']],
  ['merges as text', bpe('model.merges', ['a b', 'Ġ a']), 'ok'],
  ['merges in both forms', bpe('model.merges', ['a b', ['Ġ', 'a']]), [invalid, 'both']],
  ['merge of one', bpe('model.merges', ['ab']), [invalid, 'merges[0]']],
  ['merge of three', bpe('model.merges', ['a b c']), [invalid, 'merges[0]']],
  ['merge triple', bpe('model.merges', [['a', 'b', 'c']]), [invalid, 'merges[0]']],
  ['merge of absent tokens', bpe('model.merges', [['zz', 'b']]), [invalid, '"zz"']],
  ['merge into an absent token', bpe('model.merges', [['z', 'z']]), [invalid, '"zz"']],
  [
    'merge twice',
    bpe('model.merges', [
      ['a', 'b'],
      ['a', 'b'],
    ]),
    'ok',
  ],
  ['two tokens of one id', bpe('model.vocab', { ...vocab, twin: vocab['a']! }), [invalid, 'once']],
  [
    'a vocabulary without most bytes',
    bpe('model', {
      type: 'BPE',
      vocab: { '<s>': 0, '<pad>': 1, '</s>': 2, '<unk>': 3, '<mask>': 4 },
      merges: [],
    }),
    [invalid, 'added_tokens'],
  ],
];

export const edgeFiles: readonly EdgeFile[] = [
  ...fieldFiles(wordPiece, wordPieceFields),
  ...fieldFiles(byteLevel, byteLevelFields),
  ...handMade.map(([name, text, verdict]): EdgeFile => ({ name, text, verdict })),
];
