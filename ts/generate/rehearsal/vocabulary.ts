import { readJsonFile } from '../../files/json.js';
import { readDataLines, shippedData } from '../shipped_data.js';
import { formsOf } from './inflect.js';
import type { WordKind } from './inflect.js';

/** What the rehearsal knows of English, by lower-case form. */
export interface Vocabulary {
  /** Words that say about the same, in the same form. */
  readonly same: ReadonlyMap<string, readonly string[]>;
  /** Words of the same kind that say something else. */
  readonly other: ReadonlyMap<string, readonly string[]>;
  /** Ways to put a whole sentence. */
  readonly frames: Record<'statement' | 'question' | 'query', readonly string[]>;
  /** Sentences about other matters. */
  readonly unrelated: Record<'statement' | 'question', readonly string[]>;
  /** Sentences that new ones are made of. */
  readonly seeds: readonly string[];
  readonly labels: readonly string[];
  /** `Given {given}, find {find}.` */
  readonly tasks: Record<'given' | 'find', readonly string[]>;
}

interface VocabularyFile extends Omit<Vocabulary, 'same' | 'other' | 'seeds'> {
  readonly same: Record<WordKind, readonly (readonly string[])[]>;
  readonly other: Record<WordKind, readonly (readonly string[])[]>;
}

const kinds: readonly WordKind[] = ['nouns', 'verbs', 'words'];

/** Reads the word lists of the package. */
export async function readVocabulary(): Promise<Vocabulary> {
  const { fields } = await readJsonFile(shippedData('rehearsal.json'));
  const file = fields as unknown as VocabularyFile;
  const same = new Map<string, string[]>();
  const other = new Map<string, string[]>();
  for (const kind of kinds) {
    for (const [word, ...alternatives] of file.same[kind]) {
      for (const alternative of alternatives) addForms(same, word!, alternative, kind);
    }
    for (const family of file.other[kind]) {
      for (const word of family) {
        for (const relative of family) {
          if (relative !== word) addForms(other, word, relative, kind);
        }
      }
    }
  }
  return { ...file, same, other, seeds: await readDataLines('sentences.txt') };
}

function addForms(map: Map<string, string[]>, from: string, to: string, kind: WordKind): void {
  const targets = formsOf(to, kind);
  for (const [index, form] of formsOf(from, kind).entries()) {
    const key = form.toLowerCase();
    const target = targets[index];
    // Forms that are spelled alike keep what the first of them stands for.
    if (target === undefined || target.toLowerCase() === key) continue;
    const known = map.get(key);
    if (known === undefined) map.set(key, [target]);
    else if (!known.includes(target)) known.push(target);
  }
}
