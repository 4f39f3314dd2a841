import type { Command } from '@commander-js/extra-typings';

import { describeLedger } from './generation_text.js';
import { printJson, printResult } from './print.js';

interface LedgerFlags {
  readonly reconcile?: string;
  readonly priceTable?: string;
  readonly json?: true;
}

export function register(program: Command): void {
  program
    .command('ledger')
    .description('what a run has paid for, by model, template and outcome')
    .argument('<run>', 'the folder of the run')
    .option(
      '--reconcile <file>',
      "make it equal the provider's bill: JSON lines of id, attempt, inputTokens, outputTokens",
    )
    .option('--price-table <file>', 'prices by model, for money beside tokens')
    .option('--json', 'print one JSON object')
    .action((path, flags) => run(path, flags));
}

async function run(path: string, { reconcile, priceTable, json }: LedgerFlags): Promise<void> {
  const [{ readLedger, reconcileRun }, { ledgerPrices, readPrices }] = await Promise.all([
    import('../generate/run_ledger.js'),
    import('../generate/prices.js'),
  ]);
  const prices = await readPrices(priceTable);
  const result = reconcile === undefined ? undefined : await reconcileRun(path, reconcile);
  const report = result?.ledger ?? (await readLedger(path));
  if (json === true) {
    const known = ledgerPrices(report, prices).filter(({ cost }) => cost !== undefined);
    const money = { currency: prices.currency, models: known };
    const told = known.length === 0 ? report : { ...report, money };
    await printJson(result === undefined ? told : { ...told, ...result });
    return;
  }
  const lines = [describeLedger(report, prices)];
  if (result !== undefined) {
    const { corrected, unclaimed } = result;
    lines.push(
      `reconciled: ${corrected} calls corrected, ${unclaimed} lines of no call of this run\n`,
    );
  }
  await printResult(lines.join(''));
}
