// Finished and unfinished runs as a caller of the package looks at them; loaded when they are asked for.
import type { LedgerReport } from './ledger_report.js';
import type { RunReconciliation } from './run_ledger.js';
import type { Template } from './template.js';
import type { Verification } from './verify.js';

/**
 * Checks a finished run: counts, ids, checksums, lineage and ledger; each doubt is a sentence. Throws
 * SimgptError where the folder is none of a run.
 */
export async function verifyRun(folder: string): Promise<Verification> {
  return (await import('./verify.js')).verifyRun(folder);
}

/** What a run has paid for, per model, template, mode and outcome. Throws SimgptError. */
export async function readLedger(folder: string): Promise<LedgerReport> {
  return (await import('./run_ledger.js')).readLedger(folder);
}

/**
 * Makes the ledger of a run equal its provider's bill, a file of JSON lines of `id`, `attempt`,
 * `inputTokens`, `outputTokens`. Throws SimgptError `dataInvalid` naming the line.
 */
export async function reconcileLedger(folder: string, bill: string): Promise<RunReconciliation> {
  return (await import('./run_ledger.js')).reconcileRun(folder, bill);
}

/**
 * The shipped templates by id, those of `folder` in the place of the ones with the same id. Throws
 * SimgptError `fileInvalid` naming file and field.
 */
export async function loadTemplates(
  options: { readonly folder?: string } = {},
): Promise<ReadonlyMap<string, Template>> {
  return (await import('./template.js')).loadTemplates(options);
}
