// One run of a recipe from the command line: everything checked before the first call is paid for.
import { formatOfName } from '../dataset/input.js';
import { canonicalHash, withoutUndefined } from '../files/canonical_json.js';
import type { GenerateOptions, GenerateResult } from '../generate/generate.js';
import type { GenerationInput } from '../generate/input_rows.js';
import type { MoneyCap } from '../generate/money.js';
import type { OverlapScan } from '../generate/overlap_rows.js';
import type { PriceTable } from '../generate/prices.js';
import type { Provider } from '../generate/provider.js';
import type { Recipe } from '../generate/recipe.js';
import { rehearsalModel } from '../generate/rehearsal/model.js';
import { withBatches } from './generation_batches.js';
import { exitCodes } from './exit_codes.js';
import { exampleColumns } from './example_columns.js';
import type { ExitCode } from './exit_codes.js';
import { likenessOf } from './generation_likeness.js';
import { otherFilesOf, outputOf, overlapScanOf, sayOverlap } from './generation_rows.js';
import type { Likeness } from './generation_likeness.js';
import type { GenerationFlags } from './generation_options.js';
import { describeEstimate, describeResult } from './generation_text.js';
import { interruptedWith, interruptSignal } from './interrupt.js';
import { printJson, printResult } from './print.js';
import { createProgress } from './progress.js';

export const openAiUrl = 'https://api.openai.com/v1';

/** How a command's input becomes rows, where they are no plain texts. */
export type ReadInput = (path: string, flags: GenerationFlags) => Promise<GenerationInput>;

/**
 * Runs a recipe as the flags say and sets the exit code; the result, unless it was a dry run. Throws
 * RangeError for flags, SimgptError.
 */
export async function runGeneration(
  recipeName: string,
  flags: GenerationFlags,
  readInput?: ReadInput,
): Promise<GenerateResult | undefined> {
  const model = modelOf(flags);
  await using likeness = await likenessOf(flags);
  const scan = await overlapScanOf(flags);
  const run = await prepareRun(recipeName, model, flags, { ...likeness, scan }, readInput);
  const money = await moneyCapOf(flags, model);
  if (flags.dryRun === true) {
    await printEstimate(run, flags);
    return undefined;
  }
  if (flags.output === undefined) {
    throw new RangeError('expected --output to name the folder of the run, received none');
  }
  const server = await serverOf(flags);
  const prices = await pricesOf(flags);
  const progress = createProgress(`${run.recipe.name}: rows answered:`);
  const { generate } = await import('../generate/generate.js');
  const result: GenerateResult = await generate({
    ...run,
    filters: () => [...likeness.filters(), ...(scan?.filters() ?? [])],
    maxSourceShare: flags.maxSourceShare,
    otherFiles: otherFilesOf(flags, scan),
    folder: flags.output,
    caps: { tokens: flags.maxTokensTotal, calls: flags.maxCalls, money },
    baseUrl: server.baseUrl,
    dispatcher: await dispatcherOf(server, flags),
    clock: (await import('../generate/clock.js')).systemClock,
    rules: { backOffMs: flags.retryDelayMs, onUnknown: flags.onUnknown },
    strict: flags.strict === true,
    retriesFailed: flags.retryFailed === true,
    acceptsChangedInput: flags.changedInput === true,
    signal: interruptSignal(),
    onProgress: (_, done, units) => progress.update(done, units),
  }).finally(progress.stop);
  const reported = await reportOf(run.plan, result, { ...flags, output: flags.output });
  if (flags.json === true) await printJson(result);
  else {
    const isThere = flags.report && reported === undefined;
    process.stderr.write(describeResult(result, flags.output, isThere, prices));
    if (result.commit !== undefined) await sayOverlap(flags.output, result.commit);
    if (flags.provider === 'rehearsal') process.stderr.write(rehearsalNote);
  }
  // What was bought is told first: it is whole, and the report can be written again.
  if (reported !== undefined) throw reported.error;
  process.exitCode = exitCodeOf(result);
  return result;
}

/** Writes the report of a whole run; what kept it from being written is returned. */
async function reportOf(
  plan: GenerateOptions['plan'],
  { commit, ...result }: GenerateResult,
  flags: GenerationFlags & { readonly output: string },
): Promise<{ readonly error: unknown } | undefined> {
  if (commit === undefined || !flags.report) return undefined;
  const { reportRun } = await import('./generation_report.js');
  try {
    await reportRun(flags.output, plan, { ...result, commit }, flags);
    return undefined;
  } catch (error) {
    return { error };
  }
}

/** Read before the first call, so that a table that cannot be read costs nothing. */
async function pricesOf({ priceTable }: GenerationFlags): Promise<PriceTable | undefined> {
  if (priceTable === undefined) return undefined;
  const { readPrices } = await import('../generate/prices.js');
  return readPrices(priceTable);
}

async function moneyCapOf(
  { maxCost, priceTable }: GenerationFlags,
  model: string,
): Promise<MoneyCap | undefined> {
  if (maxCost === undefined) return undefined;
  const { moneyCap, readPrices } = await import('../generate/prices.js');
  return moneyCap(maxCost, await readPrices(priceTable), model);
}

const rehearsalNote =
  'written by the rehearsal, by rule and without a model: for trying a run out, not for use\n';

function modelOf({ llm, provider }: GenerationFlags): string {
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
  flags: GenerationFlags,
  {
    nearDuplicates,
    findCharacters,
    scan,
  }: Omit<Likeness, symbol> & { readonly scan: OverlapScan | undefined },
  readInput: ReadInput | undefined,
): Promise<PreparedRun> {
  const [{ loadTemplates }, { loadRefusals }, { recipeByName }] = await Promise.all([
    import('../generate/template.js'),
    import('../generate/refusals.js'),
    import('../generate/recipes/registry.js'),
  ]);
  const folder = flags.templates === undefined ? {} : { folder: flags.templates };
  const templates = await loadTemplates(folder);
  const refusals = await loadRefusals(folder);
  const settings = flags.set === undefined ? {} : { settings: flags.set };
  const personas = await personasFor(recipeName, flags);
  const recipe = recipeByName(recipeName, {
    templates,
    personas,
    ...settings,
    // The estimate's made-up answers are all alike.
    nearDuplicates: flags.dryRun === true ? undefined : nearDuplicates,
    findCharacters,
  });
  const input = await inputOf(recipe, flags, readInput);
  const slotWeights = flags.slotWeights ?? recipe.slotWeights ?? null;
  const plan = {
    recipe: recipe.name,
    settings: { ...recipe.settings },
    templates: Object.fromEntries([...templates].map(([id, { hash }]) => [id, hash])),
    refusals: canonicalHash(withoutUndefined(refusals)),
    model,
    seed: flags.seed,
    slotWeights,
    input: input?.fingerprint ?? null,
    limit: flags.limit ?? null,
    output: {
      ...outputOf(flags, scan),
      ...(personas.length === 0 ? {} : { personas: canonicalHash(personas) }),
    },
  };
  return { recipe, plan, input, refusals };
}

/** The characters that `qwen3` chooses from; no other recipe reads them. */
async function personasFor(recipe: string, flags: GenerationFlags): Promise<readonly string[]> {
  if (recipe !== 'qwen3') return [];
  const { readDataLines, readTextLines } = await import('../generate/shipped_data.js');
  return flags.personas === undefined
    ? readDataLines('personas.txt')
    : readTextLines(flags.personas);
}

async function inputOf(
  recipe: Recipe,
  flags: GenerationFlags,
  readInput: ReadInput | undefined,
): Promise<GenerationInput | undefined> {
  if (recipe.input === 'none') {
    if (flags.input === undefined) return undefined;
    throw new RangeError(`expected no --input for ${recipe.name}, received ${flags.input}`);
  }
  if (flags.input === undefined) {
    throw new RangeError(`expected --input to name a file of ${recipe.input}, received none`);
  }
  if (flags.input === '-') {
    throw new RangeError('expected --input to be a file: it is read more than once, received -');
  }
  const reader = readInput ?? (recipe.input === 'texts' ? readTextInput : readExampleInput);
  return reader(flags.input, flags);
}

async function readExampleInput(path: string, flags: GenerationFlags): Promise<GenerationInput> {
  const { exampleFileInput } = await import('../generate/example_rows.js');
  const { inputFormat, idField, source, columns } = flags;
  return exampleFileInput(path, {
    format: inputFormat,
    sourceName: source,
    columns: exampleColumns(columns, idField),
  });
}

async function readTextInput(path: string, flags: GenerationFlags): Promise<GenerationInput> {
  const { textInput } = await import('../generate/input_rows.js');
  const { textField, idField, source } = flags;
  return textInput(path, {
    format: flags.inputFormat ?? formatOfName(path),
    ...(textField === undefined ? {} : { textField }),
    ...(idField === undefined ? {} : { idField }),
    ...(source === undefined ? {} : { source }),
  });
}

async function printEstimate(run: PreparedRun, flags: GenerationFlags): Promise<void> {
  const [{ estimateRun }, { requestSettings }, { readPrices }] = await Promise.all([
    import('../generate/estimate.js'),
    import('../generate/stages.js'),
    import('../generate/prices.js'),
  ]);
  const estimate = await estimateRun(run, requestSettings(run.plan));
  const prices = await readPrices(flags.priceTable);
  const { prompts, ...counts } = estimate;
  if (flags.json === true) await printJson({ ...counts, prompts });
  else await printResult(describeEstimate(estimate, run.plan.model, prices));
}

interface Server {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
}

async function serverOf(flags: GenerationFlags): Promise<Server> {
  if (flags.provider === 'rehearsal') {
    if (flags.batchApi !== true) return { baseUrl: 'the rehearsal', apiKey: undefined };
    throw new RangeError('expected no --batch-api beside --provider rehearsal, received it');
  }
  const { readApiKey } = await import('../generate/api_key.js');
  const apiKey = await readApiKey(flags.apiKeyFile);
  const fromEnvironment = process.env['OPENAI_BASE_URL']?.trim();
  const baseUrl = flags.baseUrl ?? (fromEnvironment || openAiUrl);
  if (apiKey === undefined && baseUrl.startsWith(openAiUrl)) {
    throw new RangeError(
      'expected an API key in OPENAI_API_KEY or --api-key-file, received none ' +
        '(a server of your own: --base-url)',
    );
  }
  return { baseUrl, apiKey };
}

async function dispatcherOf(
  { baseUrl, apiKey }: Server,
  flags: GenerationFlags,
): Promise<GenerateOptions['dispatcher']> {
  // Checked now, although a finished run needs no server.
  const callMs = flags.callTimeoutMs;
  const limits = { callMs, idleMs: Math.min(callMs, 30_000) };
  const provider =
    flags.provider === 'rehearsal'
      ? await rehearsalProvider(flags)
      : (await import('../generate/provider.js')).createProvider({ baseUrl, apiKey, limits });
  const [{ createLimiter }, { createBreaker }, { systemClock }, { createLiveDispatcher }] =
    await Promise.all([
      import('../generate/limiter.js'),
      import('../generate/breaker.js'),
      import('../generate/clock.js'),
      import('../generate/dispatch.js'),
    ]);
  const rates = {
    requestsPerMinute: flags.requestsPerMinute ?? Number.POSITIVE_INFINITY,
    tokensPerMinute: flags.tokensPerMinute ?? Number.POSITIVE_INFINITY,
  };
  return (journal) => {
    const live = createLiveDispatcher({
      provider,
      limiter: createLimiter(rates, systemClock),
      breaker: createBreaker(systemClock),
      clock: systemClock,
      inFlight: flags.concurrency,
    });
    return withBatches(live, journal, { baseUrl, apiKey }, flags);
  };
}

async function rehearsalProvider({ templates: folder }: GenerationFlags): Promise<Provider> {
  const [{ loadTemplates }, { createRehearsalProvider }] = await Promise.all([
    import('../generate/template.js'),
    import('../generate/rehearsal/provider.js'),
  ]);
  return createRehearsalProvider(await loadTemplates(folder === undefined ? {} : { folder }));
}

function exitCodeOf({ kind, stop, commit }: GenerateResult): ExitCode {
  if (kind !== 'stopped') {
    const dropped = Object.keys(commit?.quarantined ?? {}).length > 0;
    return dropped ? exitCodes.partial : exitCodes.done;
  }
  if (stop?.kind === 'interrupted') return interruptedWith() ?? exitCodes.interrupted;
  // A provider's budget is one too.
  const isBudget = stop?.kind === 'budget' || stop?.reason === 'insufficient_quota';
  return isBudget ? exitCodes.budget : exitCodes.failed;
}
