import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { ModelConfig } from '../encoder/model_config.js';
import { SimgptError } from '../errors.js';
import type { RecipeFile, RowName, Settings, SettingsInput } from './recipe_schema.js';

/** The recipes that come with the package. */
export const shippedRecipes = fileURLToPath(new URL('../../recipes/', import.meta.url));

/** A recipe with every value decided: what a run writes down and is resumed by. */
export interface ResolvedRecipe {
  readonly name: string;
  readonly variant: string | null;
  /** The published row that was taken, or null where no row is for this backbone. */
  readonly row: RowName | null;
  readonly settings: Settings;
  /** The settings that the caller gave, by name. */
  readonly overridden: readonly string[];
}

export interface ResolveRecipeOptions {
  /** Which row of the tables; default by the model's type and size. */
  readonly model: Pick<ModelConfig, 'modelType' | 'hiddenSize'>;
  readonly variant?: string | undefined;
  readonly row?: RowName | undefined;
  readonly overrides?: Partial<SettingsInput> | undefined;
}

/** Names of the shipped recipes, sorted. */
export async function recipeNames(): Promise<readonly string[]> {
  const files = await readdir(shippedRecipes);
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** The JSON schema of a recipe's file, for editors. */
export async function recipeFileSchema(): Promise<object> {
  return (await import('./recipe_schema.js')).recipeJsonSchema();
}

/**
 * Reads a shipped recipe by name, or a file where the name ends in `.json`, with what it extends
 * put below it. Throws RangeError for an unknown name, SimgptError `fileInvalid` naming file and
 * field.
 */
export async function loadRecipe(nameOrPath: string): Promise<RecipeFile> {
  const [{ readChecked }, { recipeSchema }] = await Promise.all([
    import('../files/checked_json.js'),
    import('./recipe_schema.js'),
  ]);
  const recipe = await readChecked(await pathOf(nameOrPath), recipeSchema);
  if (recipe.extends === undefined) return recipe;
  const base = await loadRecipe(recipe.extends);
  return {
    ...recipe,
    settings: { ...base.settings, ...recipe.settings },
    rows: mergeRows(base.rows, recipe.rows),
    sources: { ...withoutVariants(base.sources), ...recipe.sources },
  };
}

async function pathOf(nameOrPath: string): Promise<string> {
  if (nameOrPath.endsWith('.json')) return nameOrPath;
  const names = await recipeNames();
  if (names.includes(nameOrPath)) return join(shippedRecipes, `${nameOrPath}.json`);
  throw new RangeError(
    `expected a recipe out of ${names.join(', ')}, or the path of a .json file, ` +
      `received ${nameOrPath}`,
  );
}

type Rows = RecipeFile['rows'];

function mergeRows(base: Rows, own: Rows): Rows {
  const names = new Set([...Object.keys(base), ...Object.keys(own)]) as ReadonlySet<RowName>;
  return Object.fromEntries([...names].map((name) => [name, { ...base[name], ...own[name] }]));
}

// What a base recipe's variant says is not said of this one.
function withoutVariants(sources: RecipeFile['sources']): RecipeFile['sources'] {
  return Object.fromEntries(Object.entries(sources).filter(([name]) => !name.includes('.')));
}

/**
 * The row of the published tables for a backbone: BERT or RoBERTa, base (768 dimensions) or large
 * (1,024). Null for another size, which then has the recipe's common values.
 */
export function rowFor({ modelType, hiddenSize }: ResolveRecipeOptions['model']): RowName | null {
  const family = modelType === 'bert' ? 'bert' : 'roberta';
  if (hiddenSize === 768) return `${family}-base`;
  return hiddenSize === 1024 ? `${family}-large` : null;
}

/**
 * Decides every value: the recipe's, then its row's, the variant's, the variant's row's, the
 * caller's. Throws RangeError for an unknown variant, SimgptError `fileInvalid` where a value is
 * still missing or the caller's are out of range.
 */
export async function resolveRecipe(
  recipe: RecipeFile,
  { model, variant, row: askedRow, overrides = {} }: ResolveRecipeOptions,
): Promise<ResolvedRecipe> {
  const chosen = variant === undefined ? undefined : recipe.variants[variant];
  if (variant !== undefined && chosen === undefined) {
    const names = Object.keys(recipe.variants);
    throw new RangeError(
      `expected a variant of ${recipe.name} out of ${names.join(', ') || 'none'}, ` +
        `received ${variant}`,
    );
  }
  const row = askedRow ?? rowFor(model);
  const given = Object.fromEntries(
    Object.entries(overrides).filter(([, value]) => value !== undefined),
  );
  const [{ settingDefaults, settingsSchema }, { issueSentence }] = await Promise.all([
    import('./recipe_schema.js'),
    import('../files/checked_json.js'),
  ]);
  const values = {
    ...settingDefaults,
    ...recipe.settings,
    ...(row === null ? {} : recipe.rows[row]),
    ...chosen?.settings,
    ...(row === null ? {} : chosen?.rows[row]),
    ...given,
  };
  const checked = settingsSchema.safeParse(values);
  if (!checked.success) {
    const sentence = issueSentence(checked.error, values);
    const [issue] = checked.error.issues;
    if (issue?.code === 'unrecognized_keys' && issue.path.length === 0) {
      const names = Object.keys(settingsSchema.shape).join(', ');
      throw new RangeError(`expected settings out of ${names}, received ${issue.keys.join(', ')}`);
    }
    const named = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
    if (typeof named === 'string' && Object.hasOwn(given, named)) {
      throw new RangeError(`expected settings that fit ${recipe.name}: ${sentence}`);
    }
    throw new SimgptError('fileInvalid', `recipe ${recipe.name}: ${sentence}`);
  }
  const hasRow = row !== null && (recipe.rows[row] ?? chosen?.rows[row]) !== undefined;
  return {
    name: recipe.name,
    variant: variant ?? null,
    row: hasRow ? row : null,
    settings: checked.data,
    overridden: Object.keys(given).sort(),
  };
}
