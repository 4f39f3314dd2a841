/** What the words of an entry are; others have one form. */
export type WordKind = 'nouns' | 'verbs' | 'words';

/**
 * All forms of an English word: singular and plural of a noun; base, third person, past and -ing of
 * a verb. An irregular one lists them itself, joined by slashes.
 */
export function formsOf(entry: string, kind: WordKind): readonly string[] {
  if (entry.includes('/')) return entry.split('/');
  if (kind === 'words') return [entry];
  return kind === 'nouns' ? [entry, withS(entry)] : [entry, withS(entry), past(entry), ing(entry)];
}

function withS(word: string): string {
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(word) ? `${word}es` : `${word}s`;
}

function past(word: string): string {
  if (word.endsWith('e')) return `${word}d`;
  return /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ied` : `${word}ed`;
}

function ing(word: string): string {
  return /[^e]e$/.test(word) ? `${word.slice(0, -1)}ing` : `${word}ing`;
}
