import { SimgptError } from '../errors.js';
import { isJsonObject, readBoundedFile, readJson } from '../files/json.js';
import type { Checkpoint } from './checkpoint.js';

/** A WordPiece vocabulary: every word is cut into its longest known pieces, from the left. */
export interface Vocabulary {
  /** [ids] Undefined where no token has the id. */
  readonly tokens: readonly (string | undefined)[];
  /** What marks a piece inside a word. */
  readonly prefix: string;
  /** Tokens that stand for no text, or were added to the vocabulary: never left out. */
  readonly specials: ReadonlySet<string>;
}

const bertSpecials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

export const largestTokenizerFile = 256 * 1024 * 1024;

/** The tokens of a `vocab.txt` by id: a line each. */
export function vocabularyLines(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

/**
 * Reads the vocabulary of a BERT with a WordPiece tokenizer. Throws SimgptError `unsupported` for
 * another, `fileInvalid` and what reading throws.
 */
export async function readVocabulary({ config, tokenizer }: Checkpoint): Promise<Vocabulary> {
  if (config.modelType === 'bert' && tokenizer.kind === 'wordPiece') {
    const bytes = await readBoundedFile(tokenizer.vocabPath, largestTokenizerFile);
    const tokens = vocabularyLines(bytes.toString('utf8'));
    return { tokens, prefix: '##', specials: new Set(bertSpecials) };
  }
  if (config.modelType !== 'bert' || tokenizer.kind !== 'tokenizerJson') {
    throw notWordPiece(`${config.modelType} with ${tokenizer.kind}`);
  }
  const { path } = tokenizer;
  const json = await readJson(path, { maxBytes: largestTokenizerFile });
  const { model, added_tokens: added = [] } = isJsonObject(json) ? json : {};
  if (!isJsonObject(model) || model['type'] !== 'WordPiece' || !isJsonObject(model['vocab'])) {
    throw notWordPiece(`${path} without one`);
  }
  const tokens: string[] = [];
  const note = (token: unknown, id: unknown): void => {
    if (typeof token !== 'string' || !Number.isSafeInteger(id) || Number(id) < 0) {
      throw new SimgptError(
        'fileInvalid',
        `${path}: expected tokens with ids, received ${String(token)}`,
      );
    }
    tokens[Number(id)] = token;
  };
  for (const [token, id] of Object.entries(model['vocab'])) note(token, id);
  const specials = new Set([...bertSpecials, String(model['unk_token'])]);
  for (const each of Array.isArray(added) ? (added as readonly unknown[]) : []) {
    const { content, id } = isJsonObject(each) ? each : {};
    note(content, id);
    specials.add(String(content));
  }
  const prefix = model['continuing_subword_prefix'];
  return { tokens, prefix: typeof prefix === 'string' ? prefix : '##', specials };
}

function notWordPiece(received: string): SimgptError {
  return new SimgptError(
    'unsupported',
    `expected a BERT with a WordPiece vocabulary, whose tokens can be left out, received ${received}`,
  );
}

/**
 * Ids of the tokens that a smaller vocabulary keeps, ascending: those that occur at least `minCount`
 * times, special tokens, and single characters, also inside a word, that are ASCII or part of a token
 * that occurs. A word whose pieces are all kept is cut as before: the longest piece is still there.
 */
export function tokensToKeep(
  { tokens, prefix, specials }: Vocabulary,
  /** [ids] How often each token occurs in the texts. */
  counts: ArrayLike<number>,
  minCount: number,
): readonly number[] {
  const bare = (token: string): string =>
    token.startsWith(prefix) && token.length > prefix.length ? token.slice(prefix.length) : token;
  const characters = new Set<string>();
  for (const [id, token] of tokens.entries()) {
    if (token === undefined || specials.has(token) || !((counts[id] ?? 0) > 0)) continue;
    for (const character of bare(token)) characters.add(character);
  }
  const isLetter = (text: string): boolean => {
    const code = text.codePointAt(0) ?? 0;
    if (text.length !== String.fromCodePoint(code).length) return false;
    return code < 128 || characters.has(text);
  };
  return Array.from(tokens.keys()).filter((id) => {
    const token = tokens[id];
    if (token === undefined || token === '') return false;
    return specials.has(token) || (counts[id] ?? 0) >= minCount || isLetter(bare(token));
  });
}

/** The new id of an old one; throws SimgptError `unsupported` for one that is not kept. */
export type NewId = (id: unknown) => number;

/** New ids are the places of the old ones in `kept`. */
export function newIds(kept: readonly number[]): NewId {
  const places = new Map(kept.map((id, place) => [id, place]));
  return (id) => {
    const place = typeof id === 'number' ? places.get(id) : undefined;
    if (place !== undefined) return place;
    throw new SimgptError(
      'unsupported',
      `expected token ${String(id)} to be kept, for it is named`,
    );
  };
}

type Fields = Readonly<Record<string, unknown>>;

function mapFields(object: unknown, change: (value: unknown, name: string) => unknown): Fields {
  const entries = isJsonObject(object) ? Object.entries(object) : [];
  return Object.fromEntries(entries.map(([name, value]) => [name, change(value, name)]));
}

function mapList(list: unknown, change: (value: unknown) => unknown): unknown {
  return Array.isArray(list) ? (list as readonly unknown[]).map(change) : list;
}

/** `[SEP]` and `[CLS]` by id, in the forms that `tokenizers` has for them. */
function cutPostProcessor(value: unknown, newId: NewId): unknown {
  if (!isJsonObject(value)) return value;
  return mapFields(value, (field, name) => {
    if (name === 'processors') return mapList(field, (each) => cutPostProcessor(each, newId));
    if (name === 'sep' || name === 'cls') {
      return mapList(field, (each) => (typeof each === 'number' ? newId(each) : each));
    }
    if (name !== 'special_tokens') return field;
    return mapFields(field, (token) =>
      mapFields(token, (inner, key) => (key === 'ids' ? mapList(inner, newId) : inner)),
    );
  });
}

/** A `tokenizer.json` with the kept tokens alone, under their new ids. */
export function cutTokenizerJson(json: Fields, kept: readonly number[]): Fields {
  const newId = newIds(kept);
  const ids = new Set(kept);
  return mapFields(json, (value, name) => {
    switch (name) {
      case 'added_tokens':
        return mapList(value, (token) =>
          mapFields(token, (field, key) => (key === 'id' ? newId(field) : field)),
        );
      case 'padding':
        return value === null
          ? null
          : mapFields(value, (field, key) => (key === 'pad_id' ? newId(field) : field));
      case 'post_processor':
        return cutPostProcessor(value, newId);
      case 'model':
        return mapFields(value, (field, key) =>
          key === 'vocab' ? cutIds(field, ids, newId) : field,
        );
      default:
        return value;
    }
  });
}

function cutIds(vocabulary: unknown, ids: ReadonlySet<unknown>, newId: NewId): Fields {
  const entries = isJsonObject(vocabulary) ? Object.entries(vocabulary) : [];
  const left = entries.filter(([, id]) => ids.has(id)).map(([token, id]) => [token, newId(id)]);
  return Object.fromEntries(left as [string, number][]);
}

/** The tokenizer's file beside `tokenizer.json` of that name, cut; others as they are. */
export function cutTokenizerFile(name: string, bytes: Buffer, kept: readonly number[]): Buffer {
  if (name === 'vocab.txt') {
    const lines = vocabularyLines(bytes.toString('utf8'));
    const left = kept.flatMap((id) => lines[id] ?? []);
    return Buffer.from(left.map((line) => `${line}\n`).join(''));
  }
  const json = (change: (fields: Fields) => Fields): Buffer =>
    Buffer.from(`${JSON.stringify(change(JSON.parse(bytes.toString('utf8')) as Fields))}\n`);
  if (name === 'tokenizer.json') return json((fields) => cutTokenizerJson(fields, kept));
  return name === 'added_tokens.json' ? json((fields) => mapFields(fields, newIds(kept))) : bytes;
}

/** `added_tokens_decoder` of a `tokenizer_config.json` under the new ids. */
export function cutTokenizerConfig(fields: Fields, kept: readonly number[] | undefined): Fields {
  if (kept === undefined) return fields;
  const newId = newIds(kept);
  return mapFields(fields, (value, name) =>
    name === 'added_tokens_decoder' && isJsonObject(value)
      ? Object.fromEntries(Object.entries(value).map(([id, token]) => [newId(Number(id)), token]))
      : value,
  );
}
