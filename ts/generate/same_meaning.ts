// What says nearly the same, by an encoder's word or by characters, as recipes and filters ask for it.
import { canonicalHash } from '../files/canonical_json.js';
import { nearDuplicates } from '../dataset/near_duplicates.js';
import { createNearVectorIndex, nearDuplicateLeaders } from '../diversity/near_duplicates.js';
import type { NearVectorIndex } from '../diversity/near_duplicates.js';
import { dot } from '../diversity/vectors.js';
import type { Vectors } from '../diversity/vectors.js';
import type { RowFilter } from './artefact.js';
import type { FindCharacters, FindNearDuplicates } from './recipes/options.js';

/** Embeds texts, a row each. */
export type EmbedTexts = (texts: readonly string[]) => Promise<Vectors>;

/** Texts whose cosine to an earlier one, that is kept, is at least the threshold. */
export function textsOfSameMeaning(embed: EmbedTexts, threshold: number): FindNearDuplicates {
  return remembered(async (texts) => {
    if (texts.length === 0) return new Set();
    const leaders = nearDuplicateLeaders(await embed(texts), threshold);
    return new Set([...leaders.keys()].filter((at) => leaders[at] !== at));
  });
}

/** Texts nearly equal to an earlier one: Jaccard similarity of character 5-grams. */
export function textsNearlyEqual(threshold: number): FindNearDuplicates {
  return remembered(async (texts) => {
    const { duplicateOf } = nearDuplicates(texts, { threshold });
    return new Set([...duplicateOf.keys()].filter((at) => duplicateOf[at]! >= 0));
  });
}

/** The personas whose cosine to the passage is highest, the first of equal ones first. */
export function nearestPersonas(embed: EmbedTexts, count: number): FindCharacters {
  let known:
    | { readonly personas: readonly string[]; readonly vectors: Promise<Vectors> }
    | undefined;
  const found = new Map<string, Promise<readonly string[]>>();
  const find = async (passage: string, personas: readonly string[]): Promise<readonly string[]> => {
    if (known?.personas !== personas) known = { personas, vectors: embed(personas) };
    const vectors = await known.vectors;
    const wanted = await embed([passage]);
    const cosines = personas.map((_, at) => dot(vectors, at, wanted, 0));
    const order = Array.from(personas.keys()).sort((a, b) => cosines[b]! - cosines[a]! || a - b);
    return order.slice(0, count).map((at) => personas[at]!);
  };
  return (passage, personas, id) => {
    const made = found.get(id) ?? find(passage, personas);
    found.set(id, made);
    return made;
  };
}

/** A stage's units are made more than once in a run, of the same texts. */
function remembered(
  find: (texts: readonly string[]) => Promise<ReadonlySet<number>>,
): FindNearDuplicates {
  const found = new Map<string, Promise<ReadonlySet<number>>>();
  return (texts) => {
    const key = canonicalHash(texts);
    const made = found.get(key) ?? find(texts);
    found.set(key, made);
    return made;
  };
}

/** Drops rows whose anchor says the same as that of an earlier row that was kept. */
export function rowsOfSameMeaning(embed: EmbedTexts, threshold: number): RowFilter {
  const ids: string[] = [];
  const waiting = new Map<string, Float32Array>();
  let index: NearVectorIndex | undefined;
  return {
    name: 'same meaning',
    look: async (rows) => {
      if (rows.length === 0) return;
      const { embeddings, dimensions } = await embed(rows.map(({ anchor }) => anchor));
      index ??= createNearVectorIndex(dimensions, threshold);
      waiting.clear();
      for (const [at, { id }] of rows.entries()) {
        waiting.set(id, embeddings.subarray(at * dimensions, (at + 1) * dimensions));
      }
    },
    check: ({ id }) => {
      const vector = waiting.get(id)!;
      const nearest = index!.nearest(vector);
      if (nearest === undefined) {
        index!.add(vector);
        ids.push(id);
        return undefined;
      }
      const detail = `expected another meaning, received cosine ${nearest.cosine.toFixed(3)} to ${ids[nearest.index]}`;
      return { reason: 'duplicate', detail };
    },
  };
}
