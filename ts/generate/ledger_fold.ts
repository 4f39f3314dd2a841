import { createDigestSet } from '../files/digest_map.js';
import type { DigestSet } from '../files/digest_map.js';
import { addAttempts, emptyTotals } from './ledger_report.js';
import type { LedgerTotals } from './ledger_report.js';
import type { Entry, LedgerFold } from './ledger_state.js';

/** A fold with what the report needs of the entries that went into it. */
export interface ReportingFold extends LedgerFold {
  readonly totals: LedgerTotals;
}

/**
 * Takes in what is over, so that the memory of a run does not grow with the calls that went well.
 * A bill can no longer correct them: reconciling works on a ledger without a fold.
 */
export function createLedgerFold(): ReportingFold {
  const ids: DigestSet = createDigestSet();
  const totals = emptyTotals();
  return {
    totals,
    has: (id) => ids.has(id),
    take(attempts: readonly Entry[]) {
      addAttempts(totals, attempts);
      ids.add(attempts[0]!.id);
    },
  };
}
