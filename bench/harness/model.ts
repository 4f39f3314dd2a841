import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { modelDir } from './places.js';

interface BertSizes {
  readonly num_hidden_layers: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
}

/** FLOP that one real token costs at a sequence length: 2 L (4 D^2 + 2 D I) + 4 L D S. */
export function flopPerToken(sequenceLength: number): number {
  const sizes = JSON.parse(readFileSync(join(modelDir(), 'config.json'), 'utf8')) as BertSizes;
  const { num_hidden_layers: layers, hidden_size: hidden, intermediate_size: inner } = sizes;
  const linear = 2 * layers * (4 * hidden * hidden + 2 * hidden * inner);
  return linear + 4 * layers * hidden * sequenceLength;
}

/** Texts of an exact length in tokens, and the ids they are cut into. */
export interface ExactTexts {
  readonly texts: string[];
  readonly ids: number[][];
}

/** Texts of words that are one token each; `[CLS]` and `[SEP]` count towards `tokens`. */
export function exactTexts(
  rows: number,
  tokens: number,
  seed: number,
  model = modelDir(),
): ExactTexts {
  const vocabulary = readFileSync(join(model, 'vocab.txt'), 'utf8').split('\n');
  const idOf = new Map(vocabulary.map((word, id) => [word, id]));
  const words = [...idOf].filter(([word]) => /^[a-z]{3,}$/.test(word));
  const [cls, sep] = [idOf.get('[CLS]')!, idOf.get('[SEP]')!];
  const random = mulberry32(seed);
  const texts: string[] = [];
  const ids: number[][] = [];
  for (let row = 0; row < rows; row++) {
    const chosen = Array.from(
      { length: tokens - 2 },
      () => words[Math.floor(random() * words.length)]!,
    );
    texts.push(chosen.map(([word]) => word).join(' '));
    ids.push([cls, ...chosen.map(([, id]) => id), sep]);
  }
  return { texts, ids };
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
