// What a run drops as too like what it has: by characters, by an encoder's word, as the flags say.
import type { Encoder } from '../encoder/encoder.js';
import { shippedModelName } from '../encoder/shipped_model.js';
import type { RowFilter } from './artefact.js';
import type { FindCharacters, FindNearDuplicates } from './recipes/options.js';
import { candidateCount } from './recipes/options.js';
import type { EmbedTexts } from './same_meaning.js';
import type { RunSettings } from './run_settings.js';

export interface Likeness extends AsyncDisposable {
  /** For the rows of a run; made anew for each pass over them. */
  readonly filters: () => readonly RowFilter[];
  /** For what a recipe makes its units of, such as brainstormed tasks. */
  readonly nearDuplicates: FindNearDuplicates | undefined;
  /** For `qwen3`. */
  readonly findCharacters: FindCharacters;
}

// [own]: what `--same-meaning` drops rows by where it names no other.
const taskCosine = 0.95;

/**
 * From which cosine what a recipe makes its units of is one: as asked for the rows, and E5's tasks
 * in any case but under `filters=released` (METHODS 9: the paper drops exact duplicates alone).
 */
export function unitCosine(
  recipe: string,
  { sameMeaning, set }: Pick<RunSettings, 'sameMeaning' | 'set'>,
): number | undefined {
  if (sameMeaning !== undefined) return sameMeaning;
  return recipe === 'e5' && set?.['filters'] !== 'released' ? taskCosine : undefined;
}

/** The encoder is loaded when the first text is compared. */
export async function likenessOf(
  recipe: string,
  settings: Pick<RunSettings, 'nearDuplicates' | 'sameMeaning' | 'model' | 'set'>,
): Promise<Likeness> {
  const { nearDuplicates, sameMeaning, model = shippedModelName } = settings;
  const [{ nearDuplicateRows }, meaning] = await Promise.all([
    import('./near_duplicate_rows.js'),
    import('./same_meaning.js'),
  ]);
  const loaded = lazyEncoder(model);
  const filters: (() => RowFilter)[] = [];
  const finders: FindNearDuplicates[] = [];
  if (nearDuplicates !== undefined) {
    filters.push(() => nearDuplicateRows(nearDuplicates));
    finders.push(meaning.textsNearlyEqual(nearDuplicates));
  }
  if (sameMeaning !== undefined) {
    filters.push(() => meaning.rowsOfSameMeaning(loaded.embed, sameMeaning));
  }
  const cosine = unitCosine(recipe, settings);
  if (cosine !== undefined) finders.push(meaning.textsOfSameMeaning(loaded.embed, cosine));
  const find: FindNearDuplicates = async (texts) => {
    const all = new Set<number>();
    for (const finder of finders) for (const index of await finder(texts)) all.add(index);
    return all;
  };
  return {
    filters: () => filters.map((make) => make()),
    nearDuplicates: finders.length === 0 ? undefined : find,
    findCharacters: meaning.nearestPersonas(loaded.embed, candidateCount),
    [Symbol.asyncDispose]: loaded.dispose,
  };
}

function lazyEncoder(model: string): { embed: EmbedTexts; dispose: () => Promise<void> } {
  let encoder: Promise<Encoder> | undefined;
  return {
    embed: async (texts) => {
      encoder ??= import('../encoder/encoder.js').then(({ Encoder: loaded }) => loaded.load(model));
      const { embeddings } = await (await encoder).embed(texts, { normalize: true });
      return { embeddings, dimensions: (await encoder).dimensions };
    },
    dispose: async () => {
      await (await encoder)?.[Symbol.asyncDispose]();
    },
  };
}
