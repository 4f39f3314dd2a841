import { randomSource } from './safetensors_files.js';

const specials = ['[CLS]', '[SEP]', '[MASK]', '[CL', '<s>', '</s>', '<mask>', '<|endoftext|>'];
const spaces = Array.from(' \t\n\r\u000b\u0085\u00a0\u2028\u3000');
const pieces = [
  "'s",
  "'t",
  "'re",
  "'VE",
  "'ll",
  "n't",
  'İ',
  'ẞ',
  'Σς',
  '한국어',
  '각',
  '가',
  '你好',
];
const oddities = [
  '𩸽',
  '🤔',
  '👨‍👩‍👧',
  'e\u0301',
  'ﬁ',
  '\u0000',
  '\ufffd',
  '\u0344',
  'ǆ',
  'x'.repeat(120),
];
// Marks of several combining classes, and marks newer than the reference's tables.
const marks = [0x300, 0x301, 0x345, 0x334, 0x323, 0x94d, 0x3099, 0x1e2ec, 0x8d4, 0x5b0, 0x10d24];

/** Seeded strings from all of Unicode, dense in what tokenizers stumble over. Well-formed. */
export function randomTexts(count: number, seed: number): string[] {
  const below = randomSource(seed);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const scalar = (): string => {
    const c = below(0x110000 - 0x800);
    return String.fromCodePoint(c < 0xd800 ? c : c + 0x800);
  };
  const character = (): string => {
    const kind = below(100);
    if (kind < 25) return String.fromCodePoint(32 + below(95));
    if (kind < 40) return pick(spaces);
    if (kind < 55) return String.fromCodePoint(0x80 + below(0x580));
    if (kind < 65) return String.fromCodePoint(pick(marks) + below(3));
    if (kind < 70) return pick(specials);
    if (kind < 75) return pick(pieces);
    if (kind < 80) return pick(oddities);
    if (kind < 88) return String.fromCodePoint(0x600 + below(0x2a00));
    return scalar();
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + below(40) }, character).join(''),
  );
}
