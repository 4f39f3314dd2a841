import { loadRecipe, recipeNames, resolveRecipe } from '#dist/train/recipe.js';
import type { RowName, Settings } from '#dist/train/recipe_schema.js';

/** A recipe as one variant and one row of the published tables have it. */
export interface RecipeForm {
  readonly recipe: string;
  readonly variant: string | undefined;
  readonly row: RowName | undefined;
  readonly settings: Settings;
}

/** Every recipe and every variant, each as it stands and in each of its rows. */
export async function allRecipeForms(): Promise<readonly RecipeForm[]> {
  const forms: RecipeForm[] = [];
  for (const recipe of await recipeNames()) {
    const file = await loadRecipe(recipe);
    for (const variant of [undefined, ...Object.keys(file.variants)]) {
      const own = variant === undefined ? {} : file.variants[variant]!.rows;
      const rows = new Set([...Object.keys(file.rows), ...Object.keys(own)]) as Set<RowName>;
      for (const row of [undefined, ...rows]) {
        const model = { modelType: 'bert', hiddenSize: 16 } as const;
        const { settings } = await resolveRecipe(file, { model, variant, row });
        forms.push({ recipe, variant, row, settings });
      }
    }
  }
  return forms;
}
