import { z } from 'zod';

import { SimgptError } from '../errors.js';
import { openInput } from '../dataset/input.js';
import { readLines } from '../dataset/lines.js';
import { maxLineBytes } from '../dataset/text.js';
import { openLedger } from './ledger.js';
import type { BillLine, Ledger } from './ledger.js';
import { issueSentence } from '../files/checked_json.js';
import { reportLedger } from './ledger_report.js';
import type { LedgerReport } from './ledger_report.js';
import type { ClaimKey } from './ledger_state.js';
import { openRunFolder } from './run_folder.js';
import type { RunFolder } from './run_folder.js';
import { recoveries, recoveryKey } from './settle.js';

/** The ledger of a run as its journal tells it; nothing is changed. Throws as opening a run does. */
export async function readLedger(path: string): Promise<LedgerReport> {
  await using run = await openRunFolder(path, { create: false });
  return reportLedger(run.state.ledger, run.state.fold?.totals);
}

/**
 * The ledger of an open run: calls that a crash left open are settled by their stored answer, stay
 * open where a batch `holds` them, and are booked as unknown otherwise.
 */
export async function openRunLedger(
  { journal, answers, state }: RunFolder,
  holds: (key: ClaimKey) => boolean,
): Promise<Ledger> {
  const entries = [...state.ledger.entries.values()].flat();
  const open = entries.filter(({ status }) => status === 'open');
  const recovered = await recoveries(answers, open);
  return openLedger(journal, state.ledger, {
    caps: state.caps,
    recover: (claim) => {
      const found = recovered.get(recoveryKey(claim));
      return found !== undefined && holds(claim) ? { ...found, mode: 'batch' } : found;
    },
    // What of a batch is in the store needs no other look at it.
    holds: (key) => !recovered.has(recoveryKey(key)) && holds(key),
  });
}

export interface RunReconciliation {
  readonly ledger: LedgerReport;
  /** Calls whose charge the bill changed. */
  readonly corrected: number;
  /** Lines of the bill that name no call of this run. */
  readonly unclaimed: number;
}

/**
 * Makes the ledger of a run equal its provider's bill, a JSON line per billed call. Throws
 * SimgptError `dataInvalid` naming the line, or where calls are still on their way in a batch.
 */
export async function reconcileRun(path: string, bill: string): Promise<RunReconciliation> {
  const lines = await readBill(bill);
  await using run = await openRunFolder(path, { create: false, keepsCalls: true });
  const { state } = run;
  // What a batch still holds has no price yet: reconciling says so.
  const ledger = await openRunLedger(run, () => state.batches.length > 0);
  const { corrected, unclaimed } = await ledger.reconcile(lines);
  return { ledger: reportLedger(ledger.state), corrected, unclaimed: unclaimed.length };
}

const count = z.int().min(0).max(1_000_000_000);
const billLine = z.object({
  id: z.string().min(1).max(1024),
  attempt: z.int().min(1),
  inputTokens: count,
  outputTokens: count,
});

async function readBill(path: string): Promise<BillLine[]> {
  const { chunks, name } = await openInput(path);
  const lines: BillLine[] = [];
  for await (const { number, text, problem } of readLines(chunks, { maxBytes: maxLineBytes })) {
    const where = `${name}, line ${number}`;
    if (problem !== undefined) throw new SimgptError('dataInvalid', `${where}: ${problem}`);
    if (text.trim() === '') continue;
    const value = parsed(text);
    const result = billLine.safeParse(value);
    if (!result.success) {
      throw new SimgptError('dataInvalid', `${where}: ${issueSentence(result.error, value)}`);
    }
    lines.push(result.data);
  }
  return lines;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
