// What a run of a recipe tells a person.
import type { Estimate } from '../generate/estimate.js';
import type { GenerateResult } from '../generate/generate.js';
import type { LedgerReport } from '../generate/ledger_report.js';
import { moneyText } from '../generate/money.js';
import { ledgerPrices, priceOf, rowCost } from '../generate/prices.js';
import type { PriceTable } from '../generate/prices.js';
import type { Commit } from '../generate/run_records.js';
import { count, table } from './table.js';
import { forTerminal, forTerminalLine } from './terminal.js';

export function describeResult(
  result: GenerateResult,
  output: string,
  hasReport: boolean,
  prices?: PriceTable,
): string {
  const { kind, stop, commit, prefix, ledger } = result;
  const folder = forTerminalLine(output, 1000);
  const lines: string[] = [];
  if (commit !== undefined) {
    if (kind === 'finishedBefore')
      lines.push('this run is finished: nothing was called or written');
    lines.push(...describeCommit(commit, folder));
    if (hasReport) lines.push(`to look at: ${folder}/report.html, ${folder}/card.md`);
  } else {
    lines.push(`simgpt: ${forTerminalLine(stop?.sentence ?? 'stopped', 1000)}`);
    if (ledger.settledCalls > 0) {
      const rows = `the first ${count(prefix ?? 0)} rows are answered`;
      lines.push(`${rows}; what is paid for is kept in ${folder}`);
    }
    if (stop?.kind === 'budget' && (prefix ?? 0) > 0) {
      lines.push(`(--limit ${prefix} writes a data set of those without a further call)`);
    }
  }
  const isPaid = ledger.settledCalls + ledger.bookedCalls > 0;
  if (kind !== 'finishedBefore' && isPaid) lines.push('', describeLedger(ledger, prices).trimEnd());
  return lines.map((line) => `${line}\n`).join('');
}

function describeCommit({ files, quarantined, units }: Commit, folder: string): string[] {
  const data = files.find(({ name }) => name === 'data.jsonl');
  const lines = [`${count(data?.rows ?? 0)} rows of ${count(units)} in ${folder}/data.jsonl`];
  const reasons = Object.entries(quarantined).map(([reason, n]) => `${reason} ${count(n)}`);
  if (reasons.length > 0) {
    lines.push(`dropped, in ${folder}/quarantine.jsonl: ${reasons.join(', ')}`);
  }
  return lines;
}

/** The ledger as a table, then its sums and what was paid twice. */
export function describeLedger(report: LedgerReport, prices?: PriceTable): string {
  const lines = [
    ...ledgerTable(report, prices),
    `settled ${count(report.settledCalls)} calls, ${count(report.settledTokens)} tokens; ` +
      `booked as unknown ${count(report.bookedCalls)} calls, ${count(report.bookedTokens)} tokens`,
    `paid again: ${count(report.forcedDoubleBills)} forced (a fault took the answer), ` +
      `${count(report.secondTries)} second tries, ${count(report.avoidableDoubleBills)} avoidable`,
  ];
  if (report.overrunTokens > 0) {
    lines.push(`charged beyond the limits sent: ${count(report.overrunTokens)} tokens`);
  }
  if (prices !== undefined) lines.push(...moneyLines(report, prices));
  return lines.map((line) => `${line}\n`).join('');
}

/** Columns that say something: `mode` where there were batches, money where a price is known. */
function ledgerTable({ rows }: LedgerReport, prices: PriceTable | undefined): string[] {
  const hasBatches = rows.some(({ mode }) => mode === 'batch');
  const costs = rows.map((row) => (prices === undefined ? undefined : rowCost(row, prices)));
  const hasMoney = costs.some((cost) => cost !== undefined);
  const mode = (text: string): string[] => (hasBatches ? [text] : []);
  const money = (text: string): string[] => (hasMoney ? [text] : []);
  const head = ['model', 'template', ...mode('mode'), 'outcome', 'calls', 'tokens', 'in', 'out'];
  const body = rows.map((row, at) => [
    forTerminalLine(row.model, 40),
    forTerminalLine(row.template, 40),
    ...mode(row.mode),
    row.outcome,
    count(row.calls),
    count(row.tokens),
    count(row.inputTokens),
    count(row.outputTokens),
    ...money(costs[at] === undefined ? '' : moneyText(costs[at].atMost)),
  ]);
  return table([[...head, ...money(prices?.currency ?? '')], ...body], hasBatches ? 4 : 3);
}

function moneyLines(report: LedgerReport, prices: PriceTable): string[] {
  return ledgerPrices(report, prices).map(({ model, mode, cost }) => {
    const name = forTerminalLine(model, 40);
    if (cost === undefined) return `money: the price table does not name ${name}`;
    const by = mode === 'batch' ? ' by the Batch API' : '';
    const most = cost.atMost > cost.known ? `, at most ${moneyText(cost.atMost)}` : '';
    return `money: ${moneyText(cost.known)} ${prices.currency}${most} for ${name}${by}`;
  });
}

export function describeEstimate(estimate: Estimate, model: string, prices: PriceTable): string {
  const { units, calls, inputTokens, maxOutputTokens, claimTokens, prompts } = estimate;
  const price = priceOf(prices, model, { inputTokens, outputTokens: maxOutputTokens });
  const shown = prompts.map((messages, index) => {
    const texts = messages.map(({ role, text }) => `[${role}]\n${forTerminal(text)}`);
    return `--- prompt ${index + 1} ---\n${texts.join('\n')}\n`;
  });
  const name = forTerminalLine(model, 100);
  const lines = [
    ...shown,
    `${count(calls)} calls of ${name} for ${count(units)} rows, if every answer can be used`,
    `prompts: about ${count(inputTokens)} tokens (4 bytes each)`,
    `answers: at most ${count(maxOutputTokens)} tokens (the limits that are sent)`,
    `booked at worst while unanswered: ${count(claimTokens)} tokens in all`,
    price === undefined
      ? `money: the price table does not name ${name} (--price-table)`
      : `money: about ${price} at most`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}
