import type { JournalRecord } from '../files/journal.js';
import type { BatchApi } from './batch_api.js';
import { uploadsOf } from './batch_records.js';

/**
 * Asks the provider to end every batch of a run that still goes on, and returns how many do. What is
 * done of them by then is paid for and collected by the next run, as that of any other batch.
 */
export async function cancelBatches(
  api: Pick<BatchApi, 'poll' | 'cancel'>,
  records: readonly JournalRecord[],
): Promise<number> {
  let cancelled = 0;
  for (const { batch } of uploadsOf(records).values()) {
    if (batch === undefined) continue;
    const state = await api.poll(batch);
    if (state.kind === 'none' || state.value.status !== 'running') continue;
    const reply = await api.cancel(batch);
    if (reply.kind === 'value') cancelled += 1;
  }
  return cancelled;
}
