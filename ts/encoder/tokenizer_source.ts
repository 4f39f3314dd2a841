import { SimgptError } from '../errors.js';
import { readJsonFile } from '../files/json.js';
import type { JsonFile } from '../files/json.js';
import { booleanField, fieldOf } from './config_fields.js';
import { findInFolder } from './folder.js';
import type { ModelType } from './model_config.js';

/** The files that a tokenizer is built from. */
export type TokenizerSource =
  | { readonly kind: 'tokenizerJson'; readonly path: string }
  | {
      readonly kind: 'wordPiece';
      readonly vocabPath: string;
      readonly lowercase: boolean;
      /** null: as `lowercase`. */
      readonly stripAccents: boolean | null;
      readonly handleChineseChars: boolean;
    }
  | {
      readonly kind: 'byteLevelBpe';
      readonly vocabPath: string;
      readonly mergesPath: string;
      readonly addPrefixSpace: boolean;
      readonly specials: 'roberta' | 'none';
    };

/** The tokenizer's files and the length its own config states, where it states a real one. */
export interface TokenizerFiles {
  readonly source: TokenizerSource;
  readonly modelMaxLength: number | undefined;
}

const sentencePieceFiles = ['sentencepiece.bpe.model', 'spiece.model', 'tokenizer.model'];

function stripAccents(config: JsonFile): boolean | null {
  return fieldOf(config, 'strip_accents') === undefined
    ? null
    : booleanField(config, 'strip_accents', false);
}

async function findSource(
  dir: string,
  inFolder: (name: string) => string,
  config: JsonFile,
  modelType: ModelType,
): Promise<TokenizerSource> {
  const path = await findInFolder(dir, inFolder('tokenizer.json'));
  if (path !== undefined) return { kind: 'tokenizerJson', path };

  const words = await findInFolder(dir, inFolder('vocab.txt'));
  if (words !== undefined) {
    return {
      kind: 'wordPiece',
      vocabPath: words,
      lowercase: booleanField(config, 'do_lower_case', true),
      stripAccents: stripAccents(config),
      handleChineseChars: booleanField(config, 'tokenize_chinese_chars', true),
    };
  }
  const vocabPath = await findInFolder(dir, inFolder('vocab.json'));
  const mergesPath = await findInFolder(dir, inFolder('merges.txt'));
  if (vocabPath !== undefined && mergesPath !== undefined) {
    return {
      kind: 'byteLevelBpe',
      vocabPath,
      mergesPath,
      addPrefixSpace: booleanField(config, 'add_prefix_space', false),
      specials: modelType === 'bert' ? 'none' : 'roberta',
    };
  }
  for (const name of sentencePieceFiles) {
    const unigram = await findInFolder(dir, inFolder(name));
    if (unigram !== undefined) {
      throw new SimgptError(
        'unsupported',
        `${unigram}: Unigram (SentencePiece) tokenizers are not supported yet: expected ` +
          'tokenizer.json, vocab.txt, or vocab.json with merges.txt',
      );
    }
  }
  throw new SimgptError(
    'fileNotFound',
    `${dir}: expected tokenizer.json, vocab.txt, or vocab.json with merges.txt in the folder`,
  );
}

/** Lengths above this are the reference's way to say that there is none (it writes 1e30). */
const longestRealLength = 1_048_576;

function readModelMaxLength(config: JsonFile): number | undefined {
  const value = fieldOf(config, 'model_max_length') ?? fieldOf(config, 'max_len');
  const real = typeof value === 'number' && Number.isInteger(value) && value >= 1;
  return real && value <= longestRealLength ? value : undefined;
}

/** Finds the tokenizer of the transformer module in `folder` of the model's folder. */
export async function findTokenizer(
  dir: string,
  folder: string,
  modelType: ModelType,
): Promise<TokenizerFiles> {
  const inFolder = (name: string): string => (folder === '' ? name : `${folder}/${name}`);
  const path = await findInFolder(dir, inFolder('tokenizer_config.json'));
  const config: JsonFile =
    path === undefined ? { path: dir, fields: {} } : await readJsonFile(path);
  return {
    source: await findSource(dir, inFolder, config, modelType),
    modelMaxLength: readModelMaxLength(config),
  };
}
