import { join } from 'node:path';
import { Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';

import { SimgptError } from '../errors.js';
import type { Agreement } from '../generate/agreement.js';
import type { LedgerReport } from '../generate/ledger_report.js';
import { exampleColumns } from '../dataset/named_columns.js';
import { exitCodes } from './exit_codes.js';
import { forTerminalLine } from './terminal.js';
import { generationOptions } from './generation_options.js';
import type { GenerationFlags } from './generation_options.js';

interface LabelFlags extends GenerationFlags {
  readonly gold?: string;
  readonly minAgreement?: number;
}

export function register(program: Command): void {
  const command = program
    .command('label')
    .description('have an LLM score pairs one already has, by grade or by verdict')
    .option('--gold <file>', 'pairs with positiveScore, 0 to 5: scored first, agreement printed')
    .addOption(
      new Option('--min-agreement <rho>', 'stop before --input below this Spearman').argParser(
        (text: string) => {
          const value = /^(?:0(?:\.\d+)?|1)$/.test(text) ? Number(text) : NaN;
          if (value <= 1) return value;
          throw new RangeError(`expected --min-agreement from 0 to 1, received ${text}`);
        },
      ),
    );
  for (const option of generationOptions()) command.addOption(option);
  command.addHelpText('after', help);
  command.action((flags) => run(flags as unknown as LabelFlags));
}

const help = `
--set as=grade (default) asks for 0 to 5, --set as=verdict for similar (5) or dissimilar (0).
The gold pairs are a run of their own, in OUTPUT-gold: they are paid for once as well, and a cap is
one on both runs together.
`;

async function run(flags: LabelFlags): Promise<void> {
  const { runGeneration } = await import('./generation_run.js');
  const { gold, minAgreement, output, dryRun } = flags;
  if (gold === undefined && minAgreement !== undefined) {
    throw new RangeError('expected --gold to name a file beside --min-agreement, received none');
  }
  let left: Partial<LabelFlags> = {};
  if (gold !== undefined && output !== undefined && dryRun !== true) {
    const folder = `${output}-gold`;
    // A limit is for the pairs that are labelled; the agreement is of all gold ones.
    const { limit: _limit, ...goldFlags } = flags;
    const result = await runGeneration('label', { ...goldFlags, input: gold, output: folder });
    if (result?.commit === undefined) return;
    const agreement = await agreementWith(gold, folder, flags);
    process.stderr.write(`${describe(agreement)}\n`);
    if (minAgreement !== undefined && !((agreement.spearman ?? 0) >= minAgreement)) {
      const on = forTerminalLine(gold, 1000);
      process.stderr.write(`simgpt: expected a Spearman of ${minAgreement} or more on ${on}\n`);
      process.exitCode = exitCodes.notMet;
      return;
    }
    left = await capsLeft(flags, result.ledger);
  }
  // The gold file alone has scores to read.
  const { positiveScore: _score, ...columns } = flags.columns ?? {};
  await runGeneration('label', { ...flags, ...left, columns });
}

/** What a cap on both runs leaves for the second. */
async function capsLeft(
  { maxTokensTotal, maxCalls, maxCost, priceTable }: LabelFlags,
  ledger: LedgerReport,
): Promise<Partial<LabelFlags>> {
  const less = (cap: number, spent: number): number => Math.max(0, cap - spent);
  const tokens = ledger.settledTokens + ledger.bookedTokens;
  const calls = ledger.settledCalls + ledger.bookedCalls;
  const caps = {
    ...(maxTokensTotal === undefined ? {} : { maxTokensTotal: less(maxTokensTotal, tokens) }),
    ...(maxCalls === undefined ? {} : { maxCalls: less(maxCalls, calls) }),
  };
  if (maxCost === undefined) return caps;
  const { ledgerPrices, readPrices } = await import('../generate/prices.js');
  const costs = ledgerPrices(ledger, await readPrices(priceTable));
  const cost = costs.reduce((sum, one) => sum + (one.cost?.atMost ?? 0), 0);
  return { ...caps, maxCost: less(maxCost, cost) };
}

async function agreementWith(
  gold: string,
  folder: string,
  { columns, idField }: LabelFlags,
): Promise<Agreement> {
  const { dataName } = await import('../generate/artefact.js');
  const { agreementOf } = await import('../generate/agreement.js');
  const wanted = await scoresOf(gold, exampleColumns(columns, idField));
  const given = await scoresOf(join(folder, dataName), {});
  const ids = [...wanted.keys()].filter((id) => given.has(id));
  if (ids.length === 0) {
    throw new SimgptError('dataInvalid', `${gold}: expected pairs with positiveScore, found none`);
  }
  return agreementOf(
    ids.map((id) => wanted.get(id)!),
    ids.map((id) => given.get(id)!),
  );
}

async function scoresOf(
  path: string,
  columns: ReturnType<typeof exampleColumns>,
): Promise<ReadonlyMap<string, number>> {
  const { readExamples } = await import('../dataset/examples.js');
  const scores = new Map<string, number>();
  for await (const row of readExamples(path, { columns })) {
    if (row.problem === undefined && row.positiveScore !== undefined) {
      scores.set(row.id, row.positiveScore);
    }
  }
  return scores;
}

function describe({ pairs, spearman, meanError, meanDifference }: Agreement): string {
  const rho = spearman === null ? 'none (one score throughout)' : spearman.toFixed(3);
  const signed = `${meanDifference < 0 ? '' : '+'}${meanDifference.toFixed(2)}`;
  return (
    `agreement with ${pairs} gold pairs: Spearman ${rho}, mean error ${meanError.toFixed(2)}, ` +
    `mean difference ${signed}`
  );
}
