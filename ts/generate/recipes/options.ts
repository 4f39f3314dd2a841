import type { Template } from '../template.js';

/** Which texts are near duplicates of an earlier one of the list: their indices. */
export type FindNearDuplicates = (
  texts: readonly string[],
) => ReadonlySet<number> | Promise<ReadonlySet<number>>;

/** Characters that the first call of `qwen3` chooses from. */
export const candidateCount = 5;

/** The five characters of a persona list that suit a passage best; `id` is the passage's. */
export type FindCharacters = (
  passage: string,
  personas: readonly string[],
  id: string,
) => readonly string[] | Promise<readonly string[]>;

/** What a recipe is made of, beside its name. */
export interface RecipeOptions {
  readonly templates: ReadonlyMap<string, Template>;
  /** By name, as text; each recipe says which it has. */
  readonly settings?: Readonly<Record<string, string>>;
  /** By meaning or by characters; without it only equal texts are one. */
  readonly nearDuplicates?: FindNearDuplicates | undefined;
  /** The characters that `qwen3` chooses from. */
  readonly personas?: readonly string[];
  /** For `characters=nearest`; else five are drawn by the passage's id. */
  readonly findCharacters?: FindCharacters | undefined;
}
