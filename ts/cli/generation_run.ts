// One run of a recipe from the command line: what it prints, and its exit code.
import type { GenerateOptions, GenerateResult } from '../generate/generate.js';
import type { PriceTable } from '../generate/prices.js';
import type { Recipe } from '../generate/recipe.js';
import { estimateReady, readyRun, startRun } from '../generate/run_recipe.js';
import type { ReadyRun } from '../generate/run_recipe.js';
import { exitCodes } from './exit_codes.js';
import type { ExitCode } from './exit_codes.js';
import type { GenerationFlags } from './generation_options.js';
import { sayOverlap } from './generation_overlap.js';
import { describeEstimate, describeResult } from './generation_text.js';
import { interruptedWith, interruptSignal } from './interrupt.js';
import { printJson, printResult } from './print.js';
import { createProgress } from './progress.js';
import { forTerminalLine } from './terminal.js';

/**
 * Runs a recipe as the flags say and sets the exit code; the result, unless it was a dry run. Throws
 * RangeError for flags, SimgptError.
 */
export async function runGeneration(
  recipeName: string,
  flags: GenerationFlags,
): Promise<GenerateResult | undefined> {
  const isEstimate = flags.dryRun === true;
  await using ready = await readyRun(recipeName, flags, { isEstimate });
  const { run } = ready;
  if (flags.limit !== undefined) warnOfLimit(run.recipe, flags.limit);
  if (isEstimate) {
    await printEstimate(ready, flags);
    return undefined;
  }
  const { output } = flags;
  if (output === undefined) {
    throw new RangeError('expected --output to name the folder of the run, received none');
  }
  const prices = await pricesOf(flags);
  const progress = createProgress(`${run.recipe.name}: rows answered:`);
  const result = await startRun(
    ready,
    { ...flags, output },
    {
      signal: interruptSignal(),
      onProgress: (_, done, units) => progress.update(done, units),
      onNotice: notice,
    },
  ).finally(progress.stop);
  const reported = await reportOf(run.plan, result, { ...flags, output });
  if (flags.json === true) await printJson(result);
  else {
    const isThere = flags.report && reported === undefined;
    process.stderr.write(describeResult(result, output, isThere, prices));
    if (result.commit !== undefined) await sayOverlap(output, result.commit);
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

const rehearsalNote =
  'written by the rehearsal, by rule and without a model: for trying a run out, not for use\n';

async function printEstimate(ready: ReadyRun, flags: GenerationFlags): Promise<void> {
  const { readPrices } = await import('../generate/prices.js');
  const estimate = await estimateReady(ready);
  const prices = await readPrices(flags.priceTable);
  const { prompts, ...counts } = estimate;
  if (flags.json === true) await printJson({ ...counts, prompts });
  else await printResult(describeEstimate(estimate, ready.run.plan.model, prices));
}

/** A recipe without an input buys anchors or tasks for all it is asked for, whatever the limit. */
function warnOfLimit({ input, settings }: Recipe, limit: number): void {
  const name = ['examples', 'anchors'].find((one) => Object.hasOwn(settings, one));
  if (input !== 'none' || name === undefined || Number(settings[name]) <= limit) return;
  notice(
    `--limit keeps the first ${limit} rows of a run of ${settings[name]}: what they are made from is ` +
      `bought for all of them (--set ${name}=${limit} asks for ${limit} in all)`,
  );
}

function notice(sentence: string): void {
  process.stderr.write(`${forTerminalLine(sentence, 500)}\n`);
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
