import { join } from 'node:path';

import { wellFormed } from '../dataset/text.js';
import { listFolder, refusalsFolder, shippedTemplates } from './template.js';

/**
 * How a model declines in one language, as plain phrases: an answer that starts with an opening and
 * holds a mention soon after it, or holds a certain phrase. Two parts, so that a sentence somebody
 * says ("I'm sorry, but the shop is closed") is not taken for one.
 */
export interface RefusalPhrases {
  readonly language: string;
  readonly openings: readonly string[];
  readonly mentions: readonly string[];
  readonly certain: readonly string[];
}

/** A refusal is looked for in this many characters from the start. */
const searchedLength = 400;

/**
 * The phrases of every shipped language, those of the user's template folder in their place. Throws
 * SimgptError as reading templates does.
 */
export async function loadRefusals(
  options: { readonly folder?: string } = {},
): Promise<readonly RefusalPhrases[]> {
  const languages = new Map<string, RefusalPhrases>();
  const folders = [shippedTemplates, ...(options.folder === undefined ? [] : [options.folder])];
  for (const folder of folders) {
    for (const phrases of await readLanguages(folder)) languages.set(phrases.language, phrases);
  }
  return [...languages.values()];
}

async function readLanguages(folder: string): Promise<readonly RefusalPhrases[]> {
  const { readChecked } = await import('../files/checked_json.js');
  const { refusalSchema } = await import('./refusal_schema.js');
  const entries = await listFolder(folder);
  if (!entries.some((entry) => entry.isDirectory() && entry.name === refusalsFolder)) return [];
  const files = (await listFolder(join(folder, refusalsFolder)))
    .filter((file) => file.isFile() && file.name.endsWith('.json'))
    .map((file) => join(folder, refusalsFolder, file.name))
    .sort();
  const read: RefusalPhrases[] = [];
  for (const path of files) {
    const phrases = await readChecked(path, refusalSchema);
    const folded = (list: readonly string[]) => list.map(fold);
    read.push({
      language: phrases.language,
      openings: folded(phrases.openings),
      mentions: folded(phrases.mentions),
      certain: folded(phrases.certain),
    });
  }
  return read;
}

/** The language of the phrases that the text matches, or null. */
export function refusalLanguage(text: string, languages: readonly RefusalPhrases[]): string | null {
  const start = fold(text.slice(0, 4 * searchedLength)).slice(0, searchedLength);
  const found = languages.find(
    ({ openings, mentions, certain }) =>
      certain.some((phrase) => start.includes(phrase)) ||
      openings.some(
        (opening) =>
          start.startsWith(opening) &&
          mentions.some((mention) => start.indexOf(mention, opening.length) >= 0),
      ),
  );
  return found?.language ?? null;
}

/** Case, apostrophes, compatibility forms and white space do not matter. */
function fold(text: string): string {
  return wellFormed(text)
    .text.normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019\u02bc`\u00b4]/g, "'")
    .replace(/\s+/gu, ' ')
    .trim();
}
