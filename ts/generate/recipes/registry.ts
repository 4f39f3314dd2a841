import type { Recipe } from '../recipe.js';
import { e5 } from './e5.js';
import { grade } from './grade.js';
import { judge } from './judge.js';
import { label } from './label.js';
import { multicsr } from './multicsr.js';
import type { RecipeOptions } from './options.js';
import { qwen3 } from './qwen3.js';
import { simgpt } from './simgpt.js';
import { syncsePartial, syncseScratch } from './syncse.js';

const recipes = {
  simgpt,
  'syncse-partial': syncsePartial,
  'syncse-scratch': syncseScratch,
  multicsr,
  e5,
  qwen3,
  grade,
  label,
  judge,
} as const satisfies Readonly<Record<string, (options: RecipeOptions) => Recipe>>;

export type RecipeName = keyof typeof recipes;

/** Every recipe, in the order in which help lists them. */
export const recipeNames = Object.keys(recipes) as readonly RecipeName[];

/**
 * A recipe with its settings checked and its templates in place. Throws RangeError for an unknown
 * name, setting or value; SimgptError `fileInvalid` where a template does not fit the recipe.
 */
export function recipeByName(name: string, options: RecipeOptions): Recipe {
  const found = recipeNames.find((known) => known === name);
  if (found === undefined) {
    throw new RangeError(
      `expected a recipe out of ${recipeNames.join(', ')}, received ${name.slice(0, 80)}`,
    );
  }
  return recipes[found](options);
}
