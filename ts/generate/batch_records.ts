// What a run's journal says of its batches. `submit` is durable before the upload, `created` before
// the first poll, so that a crash anywhere leaves either nothing or a batch that is found again.
import { SimgptError } from '../errors.js';
import type { JournalRecord } from '../files/journal.js';

/** One upload: its content's sha256 and the attempts it holds. */
export interface Upload {
  readonly hash: string;
  readonly names: readonly string[];
  /** The provider's id; undefined where a crash may have come before or after it was made. */
  readonly batch: string | undefined;
}

export function submitRecord(hash: string, names: readonly string[]): JournalRecord {
  return { kind: 'batch', event: 'submit', hash, names };
}

export function createdRecord(hash: string, batch: string): JournalRecord {
  return { kind: 'batch', event: 'created', hash, batch };
}

/** There is no batch of this upload and there will be none. */
export function goneRecord(hash: string): JournalRecord {
  return { kind: 'batch', event: 'gone', hash };
}

/** The uploads that are or may be at the provider. Throws SimgptError `dataInvalid`. */
export function uploadsOf(records: readonly JournalRecord[]): Map<string, Upload> {
  const uploads = new Map<string, Upload>();
  for (const { event, hash, names, batch } of records) {
    const before = typeof hash === 'string' ? uploads.get(hash) : undefined;
    if (event === 'submit' && typeof hash === 'string' && isTexts(names)) {
      uploads.set(hash, { hash, names, batch: undefined });
    } else if (event === 'created' && before !== undefined && typeof batch === 'string') {
      uploads.set(before.hash, { ...before, batch });
    } else if (event === 'gone' && before !== undefined) {
      uploads.delete(before.hash);
    } else {
      throw new SimgptError(
        'dataInvalid',
        `journal record batch: expected submit, created or gone of an upload, received ${JSON.stringify(event ?? null)}`,
      );
    }
  }
  return uploads;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
