// A run of a recipe by its name: everything checked before the first call is paid for.
import { formatOfName } from '../dataset/input.js';
import { exampleColumns } from '../dataset/named_columns.js';
import { canonicalHash, withoutUndefined } from '../files/canonical_json.js';
import type { Estimate } from './estimate.js';
import type { GenerateOptions, GenerateResult } from './generate.js';
import type { GenerationInput } from './input_rows.js';
import { likenessOf } from './likeness.js';
import type { Likeness } from './likeness.js';
import type { MoneyCap } from './money.js';
import type { OverlapScan } from './overlap_rows.js';
import type { Recipe } from './recipe.js';
import type { RecipeName } from './recipes/registry.js';
import { rehearsalModel } from './rehearsal/model.js';
import { otherFilesOf, outputOf, overlapScanOf } from './run_rules.js';
import { dispatcherOf, serverOf } from './run_server.js';
import { runDefaults } from './run_settings.js';
import type { RunSettings } from './run_settings.js';

/** A run whose input, templates, sets and prices are read; no call is made yet. */
export interface ReadyRun extends AsyncDisposable {
  readonly run: PreparedRun;
  readonly likeness: Likeness;
  readonly scan: OverlapScan | undefined;
  readonly money: MoneyCap | undefined;
}

export interface Watch {
  readonly signal?: AbortSignal | undefined;
  /** Units of the stage in work that have all their answers. */
  readonly onProgress?: (stage: string, done: number, units: number) => void;
  /** What a batch at the provider does, a sentence each. */
  readonly onNotice?: (sentence: string) => void;
}

/** A recipe, where its run is kept, and any setting that is not to be the default. */
export interface RecipeRunOptions extends Partial<RunSettings>, Watch {
  readonly recipe: RecipeName;
  readonly output: string;
}

/**
 * Has an LLM write training data by a recipe, into `output/data.jsonl`; every answer is bought once and
 * kept. The same call again goes on where it ended, and does nothing where the run is finished. Throws
 * RangeError for settings, SimgptError for files and data; a provider or a cap that ends the run is a
 * result of kind `stopped`.
 */
export async function runRecipe(options: RecipeRunOptions): Promise<GenerateResult> {
  const { recipe, signal, onProgress, onNotice, ...given } = options;
  const settings: RunSettings & { readonly output: string } = { ...runDefaults, ...given };
  await using ready = await readyRun(recipe, settings, { isEstimate: false });
  return startRun(ready, settings, {
    signal,
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(onNotice === undefined ? {} : { onNotice }),
  });
}

/** What such a run would ask for, if every answer can be used; no call is made, nothing is written. */
export async function estimateRecipe(
  options: Omit<RecipeRunOptions, 'output' | keyof Watch>,
): Promise<Estimate> {
  const { recipe, ...given } = options;
  await using ready = await readyRun(recipe, { ...runDefaults, ...given }, { isEstimate: true });
  return estimateReady(ready);
}

export async function estimateReady({ run }: ReadyRun): Promise<Estimate> {
  const [{ estimateRun }, { requestSettings }] = await Promise.all([
    import('./estimate.js'),
    import('./stages.js'),
  ]);
  return estimateRun(run, requestSettings(run.plan));
}

/** Reads and checks what the run is made of. Throws RangeError, SimgptError. */
export async function readyRun(
  recipe: string,
  settings: RunSettings,
  { isEstimate }: { readonly isEstimate: boolean },
): Promise<ReadyRun> {
  const model = modelOf(settings);
  const likeness = await likenessOf(recipe, settings);
  try {
    const scan = await overlapScanOf(settings);
    const run = await prepareRun(recipe, model, settings, { ...likeness, scan, isEstimate });
    const money = await moneyCapOf(settings, model);
    const dispose = (): PromiseLike<void> => likeness[Symbol.asyncDispose]();
    return { run, likeness, scan, money, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await likeness[Symbol.asyncDispose]();
    throw error;
  }
}

/** Buys and writes. */
export async function startRun(
  { run, likeness, scan, money }: ReadyRun,
  settings: RunSettings & { readonly output: string },
  { signal, onProgress, onNotice = () => {} }: Watch,
): Promise<GenerateResult> {
  const server = await serverOf(settings);
  // What the run says comes first, and is among its filters already.
  const near =
    settings.nearDuplicates === undefined ? run.recipe.filters?.nearDuplicates : undefined;
  const [{ generate }, { systemClock }, { nearDuplicateRows }] = await Promise.all([
    import('./generate.js'),
    import('./clock.js'),
    import('./near_duplicate_rows.js'),
  ]);
  return generate({
    ...run,
    filters: () => [
      ...(near === undefined ? [] : [nearDuplicateRows(near)]),
      ...likeness.filters(),
      ...(scan?.filters() ?? []),
    ],
    maxSourceShare: settings.maxSourceShare,
    otherFiles: otherFilesOf(settings, scan),
    folder: settings.output,
    caps: { tokens: settings.maxTokensTotal, calls: settings.maxCalls, money },
    baseUrl: server.baseUrl,
    dispatcher: await dispatcherOf(server, settings, onNotice),
    clock: systemClock,
    rules: { backOffMs: settings.retryDelayMs, onUnknown: settings.onUnknown },
    strict: settings.strict === true,
    retriesFailed: settings.retryFailed === true,
    acceptsChangedInput: settings.changedInput === true,
    signal,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

async function moneyCapOf(
  { maxCost, priceTable }: RunSettings,
  model: string,
): Promise<MoneyCap | undefined> {
  if (maxCost === undefined) return undefined;
  const { moneyCap, readPrices } = await import('./prices.js');
  return moneyCap(maxCost, await readPrices(priceTable), model);
}

function modelOf({ llm, provider }: RunSettings): string {
  if (provider === 'rehearsal') {
    if (llm === undefined || llm === rehearsalModel) return rehearsalModel;
    throw new RangeError(`expected no --llm beside --provider rehearsal, received ${llm}`);
  }
  if (llm !== undefined && llm.trim() !== '') return llm;
  throw new RangeError('expected --llm to name the model that writes, received none');
}

type PreparedRun = Pick<GenerateOptions, 'recipe' | 'plan' | 'input' | 'refusals'>;

async function prepareRun(
  recipeName: string,
  model: string,
  settings: RunSettings,
  {
    nearDuplicates,
    findCharacters,
    scan,
    isEstimate,
  }: Omit<Likeness, symbol> & {
    readonly scan: OverlapScan | undefined;
    readonly isEstimate: boolean;
  },
): Promise<PreparedRun> {
  const [{ loadTemplates }, { loadRefusals }, { recipeByName }] = await Promise.all([
    import('./template.js'),
    import('./refusals.js'),
    import('./recipes/registry.js'),
  ]);
  const folder = settings.templates === undefined ? {} : { folder: settings.templates };
  const templates = await loadTemplates(folder);
  const phrases = await loadRefusals(folder);
  const given = settings.set === undefined ? {} : { settings: settings.set };
  const personas = await personasFor(recipeName, settings);
  const recipe = recipeByName(recipeName, {
    templates,
    personas,
    ...given,
    // The estimate's made-up answers are all alike.
    nearDuplicates: isEstimate ? undefined : nearDuplicates,
    findCharacters,
  });
  const input = await inputOf(recipe, settings);
  const refusals = recipe.filters?.refusals === false ? [] : phrases;
  const slotWeights = settings.slotWeights ?? recipe.slotWeights ?? null;
  const plan = {
    recipe: recipe.name,
    settings: { ...recipe.settings },
    templates: Object.fromEntries([...templates].map(([id, { hash }]) => [id, hash])),
    refusals: canonicalHash(withoutUndefined(refusals)),
    model,
    seed: settings.seed,
    slotWeights,
    input: input?.fingerprint ?? null,
    limit: settings.limit ?? null,
    output: {
      ...outputOf(recipe.name, settings, scan),
      ...(personas.length === 0 ? {} : { personas: canonicalHash(personas) }),
    },
  };
  return { recipe, plan, input, refusals };
}

/** The characters that `qwen3` chooses from; no other recipe reads them. */
async function personasFor(recipe: string, settings: RunSettings): Promise<readonly string[]> {
  if (recipe !== 'qwen3') return [];
  const { readDataLines, readTextLines } = await import('./shipped_data.js');
  return settings.personas === undefined
    ? readDataLines('personas.txt')
    : readTextLines(settings.personas);
}

async function inputOf(
  recipe: Recipe,
  settings: RunSettings,
): Promise<GenerationInput | undefined> {
  if (recipe.input === 'none') {
    if (settings.input === undefined) return undefined;
    throw new RangeError(`expected no --input for ${recipe.name}, received ${settings.input}`);
  }
  if (settings.input === undefined) {
    throw new RangeError(`expected --input to name a file of ${recipe.input}, received none`);
  }
  if (settings.input === '-') {
    throw new RangeError('expected --input to be a file: it is read more than once, received -');
  }
  const reader = recipe.input === 'texts' ? readTextInput : readExampleInput;
  return reader(settings.input, settings);
}

async function readExampleInput(path: string, settings: RunSettings): Promise<GenerationInput> {
  const { exampleFileInput } = await import('./example_rows.js');
  const { inputFormat, idField, source, columns } = settings;
  return exampleFileInput(path, {
    format: inputFormat,
    sourceName: source,
    columns: exampleColumns(columns, idField),
  });
}

async function readTextInput(path: string, settings: RunSettings): Promise<GenerationInput> {
  const { textInput } = await import('./input_rows.js');
  const { textField, idField, source } = settings;
  return textInput(path, {
    format: settings.inputFormat ?? formatOfName(path),
    ...(textField === undefined ? {} : { textField }),
    ...(idField === undefined ? {} : { idField }),
    ...(source === undefined ? {} : { source }),
  });
}
