/** Small tokenizers as values: what tests vary, mutate and write as tokenizer.json. */

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

export interface TokenizerJson {
  version: Json;
  truncation: Json;
  padding: Json;
  added_tokens: Json;
  normalizer: Json;
  pre_tokenizer: Json;
  post_processor: Json;
  decoder: Json;
  model: { [key: string]: Json };
}

export interface AddedTokenJson {
  readonly [key: string]: Json;
}

export function addedToken(
  id: number,
  content: string,
  flags: { [key: string]: boolean } = {},
): AddedTokenJson {
  return {
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
    ...flags,
  };
}

function vocabulary(tokens: readonly string[]): { [token: string]: number } {
  return Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));
}

export function smallWordPiece(extra: readonly string[] = []): TokenizerJson {
  const letters = Array.from('abcdeABCDE01éß你한!.-<');
  const vocab = vocabulary([
    '[PAD]',
    '[UNK]',
    '[CLS]',
    '[SEP]',
    '[MASK]',
    ...letters,
    ...letters.map((letter) => `##${letter}`),
    'ab',
    'abc',
    '##bc',
    '##cab',
    'dead',
    '##ee',
    ...extra,
  ]);
  const special = (token: string): Json => ({ SpecialToken: { id: token, type_id: 0 } });
  const entry = (token: string): Json => ({ id: token, ids: [vocab[token]!], tokens: [token] });
  return {
    version: '1.0',
    truncation: { max_length: 128, strategy: 'LongestFirst', stride: 0 },
    padding: {
      strategy: { Fixed: 128 },
      direction: 'Right',
      pad_to_multiple_of: null,
      pad_id: 0,
      pad_type_id: 0,
      pad_token: '[PAD]',
    },
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].map((token, id) =>
      addedToken(id, token),
    ),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
      pair: [
        special('[CLS]'),
        { Sequence: { id: 'A', type_id: 0 } },
        special('[SEP]'),
        { Sequence: { id: 'B', type_id: 1 } },
        { SpecialToken: { id: '[SEP]', type_id: 1 } },
      ],
      special_tokens: { '[CLS]': entry('[CLS]'), '[SEP]': entry('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

/** GPT-2's characters for the 256 bytes. */
export function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCodePoint(printable ? byte : next++);
  });
}

export function smallByteLevel(): TokenizerJson {
  const merges: [string, string][] = [
    ['a', 'b'],
    ['Ġ', 'a'],
    ['ab', 'c'],
    ['Ġa', 'b'],
    ['b', 'c'],
    ['d', 'e'],
    ['de', 'ab'],
    ['Ċ', 'Ċ'],
    ["'", 's'],
    ['Ã', '©'],
    ['ab', 'ab'],
  ];
  const vocab = vocabulary([
    '<s>',
    '<pad>',
    '</s>',
    '<unk>',
    ...byteCharacters(),
    ...merges.map(([left, right]) => left + right),
    '<mask>',
  ]);
  const token = (content: string, flags: { [key: string]: boolean } = {}): AddedTokenJson =>
    addedToken(vocab[content]!, content, { normalized: true, ...flags });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      token('<s>'),
      token('<pad>'),
      token('</s>'),
      token('<unk>'),
      token('<mask>', { lstrip: true }),
    ],
    normalizer: null,
    pre_tokenizer: {
      type: 'ByteLevel',
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: ['</s>', vocab['</s>']!],
      cls: ['<s>', vocab['<s>']!],
      trim_offsets: true,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges,
    },
  };
}
