import { drawnFrom } from '../../random/named_draws.js';
import type { Vocabulary } from './vocabulary.js';

/** Numbers in [0, 1). */
export type Draws = () => number;

/** Words that say what a sentence is about are longer than these, or in the word lists. */
const functionWords: ReadonlySet<string> = new Set(
  (
    'a an and are as at be because been but by did do does for from had has have he her his how i ' +
    'if in into is it its me my no not of off on or our out she so than that the their them then ' +
    'there they this to up was we were what when where which who why will with would you your'
  ).split(' '),
);

/** Most words that a phrase of the word lists has. */
const longestPhrase = 3;

/** A sentence that says about the same: other words, another order, or a frame around it. */
export function similarTo(text: string, vocabulary: Vocabulary, next: Draws): string {
  const { text: reworded, changes } = replaceWords(text, vocabulary.same, () => next() < 0.8, next);
  const turned = next() < 0.5 ? fronted(reworded, vocabulary) : undefined;
  if (turned !== undefined) return turned;
  return changes.length === 0 || next() < 0.35
    ? framed(reworded, vocabulary, next)
    : matchArticles(reworded);
}

/** Share of its words that a changed sentence must differ in, or it would still mean the same. */
const leastChange = 0.4;

/** A sentence that says something else: changed details, or another matter where that is too little. */
export function dissimilarTo(text: string, vocabulary: Vocabulary, next: Draws): string {
  const changed = replaceWords(text, vocabulary.other, () => true, next);
  const content = contentWords(text).length;
  const enough = changed.changes.length >= Math.max(2, leastChange * content);
  return enough && next() < 0.85
    ? matchArticles(changed.text)
    : drawnFrom(vocabulary.unrelated[moodOf(text)], next);
}

export function moodOf(text: string): 'statement' | 'question' {
  return /\?\s*$/.test(text) ? 'question' : 'statement';
}

/** The words of a text in lower case that carry its meaning. */
export function contentWords(text: string): readonly string[] {
  return wordsOf(text).filter((word) => !functionWords.has(word));
}

export function wordsOf(text: string): readonly string[] {
  return Array.from(text.toLowerCase().matchAll(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu), String);
}

interface Reworded {
  readonly text: string;
  /** The words that were replaced, in lower case. */
  readonly changes: readonly string[];
}

/** Replaces words and phrases of the map, the longest first, from left to right. */
function replaceWords(
  text: string,
  map: ReadonlyMap<string, readonly string[]>,
  wanted: () => boolean,
  next: Draws,
): Reworded {
  const parts = text.split(/([\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*)/u);
  const changes: string[] = [];
  let out = parts[0] ?? '';
  // Odd parts are words, even ones what is between them.
  for (let at = 1; at < parts.length;) {
    const found = phraseAt(parts, at, map);
    if (found !== undefined && wanted()) {
      const replacement = drawnFrom(found.alternatives, next);
      out += keepCase(parts[at]!, replacement) + (parts[at + 2 * found.words - 1] ?? '');
      changes.push(found.phrase);
      at += 2 * found.words;
    } else {
      out += parts[at]! + (parts[at + 1] ?? '');
      at += 2;
    }
  }
  return { text: out, changes };
}

function phraseAt(
  parts: readonly string[],
  at: number,
  map: ReadonlyMap<string, readonly string[]>,
): { phrase: string; words: number; alternatives: readonly string[] } | undefined {
  for (let words = longestPhrase; words >= 1; words--) {
    const phrase = parts
      .slice(at, at + 2 * words - 1)
      .join('')
      .toLowerCase();
    const alternatives = map.get(phrase);
    if (alternatives !== undefined) return { phrase, words, alternatives };
  }
  return undefined;
}

function keepCase(from: string, to: string): string {
  return /^\p{Lu}/u.test(from) ? to.charAt(0).toUpperCase() + to.slice(1) : to;
}

/** `a` before a vowel becomes `an`, and the other way round. */
function matchArticles(text: string): string {
  return text.replace(/\b([Aa])n?(?= ([\p{L}]))/gu, (_, article: string, letter: string) =>
    /[aeiou]/i.test(letter) ? `${article}n` : article,
  );
}

const tail =
  /^(.{12,}),? ((?:in|on|at|after|before|during|since|because of|from|under|behind|near) (?:the|a|an|his|her|its|our|their|every|winter|summer|autumn|spring|\w+day|[A-Z]\w+)(?: [^ ,]+){0,4})\.$/u;

/** A statement with its last part of time or place in front, or undefined where it has none. */
function fronted(text: string, vocabulary: Vocabulary): string | undefined {
  const match = tail.exec(text);
  if (match === null) return undefined;
  const [, head, last] = match;
  return matchArticles(`${keepCase('A', last!)}, ${lowerFirst(head!, vocabulary)}.`);
}

function framed(text: string, vocabulary: Vocabulary, next: Draws): string {
  const frame = drawnFrom(vocabulary.frames[moodOf(text)], next);
  return matchArticles(
    frame.replace(/\{(rest|whole)\}/, (_, which) =>
      which === 'rest' ? lowerFirst(text, vocabulary) : text,
    ),
  );
}

/** In lower case where the first word is one that we know, and so no name. */
function lowerFirst(text: string, { same, other }: Vocabulary): string {
  const [first = ''] = wordsOf(text);
  const known = functionWords.has(first) || same.has(first) || other.has(first);
  return known && first !== 'i' ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
