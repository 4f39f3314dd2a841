import { chargeOf } from './ledger_state.js';
import type { Entry, LedgerState, LedgerSums } from './ledger_state.js';

/** The calls of one model and template that ended alike. */
export interface LedgerRow {
  readonly model: string;
  readonly template: string;
  /** An outcome, or `open` or `unknown`. */
  readonly outcome: string;
  readonly calls: number;
  /** What they cost, at worst where the cost is not known. */
  readonly tokens: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface LedgerReport extends LedgerSums {
  /** Sorted by model, template and outcome. */
  readonly rows: readonly LedgerRow[];
  /** Paid again after a fault took the earlier, paid answer away. */
  readonly forcedDoubleBills: number;
  /** Paid again although a usable answer had arrived or was on its way: must be 0. */
  readonly avoidableDoubleBills: number;
}

/** Totals per model, template and outcome, and what was paid twice. */
export function reportLedger(state: LedgerState): LedgerReport {
  const rows = new Map<string, LedgerRow>();
  let forcedDoubleBills = 0;
  let avoidableDoubleBills = 0;
  for (const attempts of state.entries.values()) {
    let charged = 0;
    for (const entry of attempts) {
      addToRow(rows, entry);
      if (!entry.isCharged || entry.status === 'open') continue;
      if (entry.isAvoidable) avoidableDoubleBills += 1;
      else if (charged > 0) forcedDoubleBills += 1;
      charged += 1;
    }
  }
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  return { ...state.sums, rows: sorted, forcedDoubleBills, avoidableDoubleBills };
}

function addToRow(rows: Map<string, LedgerRow>, entry: Entry): void {
  const { model, template } = entry;
  const outcome = entry.outcome ?? entry.status;
  const key = JSON.stringify([model, template, outcome]);
  const row = rows.get(key);
  const usage = entry.isCharged ? entry.usage : null;
  rows.set(key, {
    model,
    template,
    outcome,
    calls: (row?.calls ?? 0) + 1,
    tokens: (row?.tokens ?? 0) + chargeOf(entry),
    inputTokens: (row?.inputTokens ?? 0) + (usage?.inputTokens ?? 0),
    outputTokens: (row?.outputTokens ?? 0) + (usage?.outputTokens ?? 0),
  });
}
