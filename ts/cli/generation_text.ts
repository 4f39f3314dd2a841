// What a run of a recipe tells a person.
import type { Estimate } from '../generate/estimate.js';
import type { GenerateResult } from '../generate/generate.js';
import type { LedgerReport } from '../generate/ledger_report.js';
import { ledgerPrices, priceOf } from '../generate/prices.js';
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
  const head = ['model', 'template', 'outcome', 'calls', 'tokens', 'in', 'out'];
  const body = report.rows.map((row) => [
    forTerminalLine(row.model, 40),
    forTerminalLine(row.template, 40),
    row.outcome,
    count(row.calls),
    count(row.tokens),
    count(row.inputTokens),
    count(row.outputTokens),
  ]);
  const lines = [
    ...table([head, ...body], 3),
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

function moneyLines(report: LedgerReport, prices: PriceTable): string[] {
  return ledgerPrices(report, prices).map(({ model, price }) => {
    const name = forTerminalLine(model, 40);
    return price === undefined
      ? `money: the price table does not name ${name}`
      : `money: ${price} for ${name}, of what is settled with its usage`;
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
