import { existsSync } from 'node:fs';

import { readCheckpoint } from '../encoder/checkpoint.js';
import type { Checkpoint } from '../encoder/checkpoint.js';
import { exportCheckpoint } from '../encoder/export.js';
import { countTokens } from '../encoder/token_counts.js';
import { readVocabulary, tokensToKeep } from '../encoder/vocabulary.js';
import type { Settings } from './recipe_schema.js';

/** What a student is made of. */
export interface StudentRequest {
  readonly teacher: Checkpoint;
  readonly settings: NonNullable<Settings['teacher']>;
  /** Every list of texts of the data: where a vocabulary is chosen by them. */
  readonly texts: () => Iterable<readonly string[]>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The student that the recipe makes of its teacher's embeddings and layers, in a folder that is
 * made once and found again. A function of the teacher and the texts alone.
 */
export async function makeStudent(folder: string, request: StudentRequest): Promise<Checkpoint> {
  const { teacher, settings, signal } = request;
  if (!existsSync(folder)) {
    const { layers } = settings;
    await exportCheckpoint(teacher, folder, {
      layers,
      tokens: await chosenTokens(request),
      signal,
    });
  }
  return readCheckpoint(folder);
}

async function chosenTokens({ teacher, settings, texts, signal }: StudentRequest) {
  if (settings.vocabulary === null) return undefined;
  const vocabulary = await readVocabulary(teacher);
  const counts = await countTokens(teacher, texts(), { signal });
  return tokensToKeep(vocabulary, counts, settings.vocabulary.minCount);
}
