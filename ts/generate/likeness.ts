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

/** The encoder is loaded when the first text is compared. */
export async function likenessOf({
  nearDuplicates,
  sameMeaning,
  model = shippedModelName,
}: Pick<RunSettings, 'nearDuplicates' | 'sameMeaning' | 'model'>): Promise<Likeness> {
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
    finders.push(meaning.textsOfSameMeaning(loaded.embed, sameMeaning));
  }
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
