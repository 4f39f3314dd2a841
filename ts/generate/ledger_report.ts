import { chargeOf } from './ledger_state.js';
import type { Entry, LedgerState, LedgerSums } from './ledger_state.js';
import { addTokens, chargedTokens } from './money.js';
import type { Mode, TokenPair } from './money.js';

/** The calls of one model, template and mode that ended alike. */
export interface LedgerRow {
  readonly model: string;
  readonly template: string;
  readonly mode: Mode;
  /** An outcome, or `open` or `unknown`. */
  readonly outcome: string;
  readonly calls: number;
  /** What they cost, at worst where the cost is not known. */
  readonly tokens: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of calls that told no usage: the bounds they were claimed at. */
  readonly atWorst: TokenPair;
}

/** What was paid again for a call that had been paid before, each in one of three counts. */
export interface DoubleBills {
  /** A fault took the earlier, paid answer away: truncated, hung, cut, or its end unknown. */
  forcedDoubleBills: number;
  /** The earlier answer came whole, and could not be used: the second try of a wrong schema. */
  secondTries: number;
  /** A usable answer had arrived or was on its way: must be 0. */
  avoidableDoubleBills: number;
}

/** What entries add up to. */
export interface LedgerTotals extends DoubleBills {
  readonly rows: Map<string, LedgerRow>;
}

export interface LedgerReport extends LedgerSums, Readonly<DoubleBills> {
  /** Sorted by model, template, mode and outcome. */
  readonly rows: readonly LedgerRow[];
}

export function emptyTotals(): LedgerTotals {
  return { rows: new Map(), forcedDoubleBills: 0, secondTries: 0, avoidableDoubleBills: 0 };
}

/** Totals per model, template and outcome, and what was paid twice; `folded` are earlier ones. */
export function reportLedger(
  state: LedgerState,
  folded: LedgerTotals = emptyTotals(),
): LedgerReport {
  const totals: LedgerTotals = { ...folded, rows: new Map(folded.rows) };
  for (const attempts of state.entries.values()) addAttempts(totals, attempts);
  const { rows, ...doubleBills } = totals;
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  return { ...state.sums, rows: sorted, ...doubleBills };
}

/** Adds all attempts of one id, in claim order. */
export function addAttempts(totals: LedgerTotals, attempts: readonly Entry[]): void {
  let earlier: Entry | undefined;
  for (const entry of attempts) {
    addToRow(totals.rows, entry);
    if (!entry.isCharged || entry.status === 'open') continue;
    if (entry.isAvoidable) totals.avoidableDoubleBills += 1;
    else if (earlier !== undefined && isLost(earlier)) totals.forcedDoubleBills += 1;
    else if (earlier !== undefined) totals.secondTries += 1;
    earlier = entry;
  }
}

/** Paid, or perhaps paid, without an answer that arrived whole. */
function isLost({ status, outcome }: Entry): boolean {
  return status === 'unknown' || outcome === 'billed' || outcome === 'truncated';
}

function addToRow(rows: Map<string, LedgerRow>, entry: Entry): void {
  const { model, template, mode } = entry;
  const outcome = entry.outcome ?? entry.status;
  const key = JSON.stringify([model, template, mode, outcome]);
  const row = rows.get(key);
  const usage = entry.isCharged ? entry.usage : null;
  const worst = row?.atWorst ?? { inputTokens: 0, outputTokens: 0 };
  rows.set(key, {
    model,
    template,
    mode,
    outcome,
    calls: (row?.calls ?? 0) + 1,
    tokens: (row?.tokens ?? 0) + chargeOf(entry),
    inputTokens: (row?.inputTokens ?? 0) + (usage?.inputTokens ?? 0),
    outputTokens: (row?.outputTokens ?? 0) + (usage?.outputTokens ?? 0),
    atWorst: usage === null ? addTokens(worst, chargedTokens(entry)) : worst,
  });
}
