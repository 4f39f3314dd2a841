// The uploads of a run, each from its lines to the answers of all who wait for it.
import { hashLines } from './batch_api.js';
import type { BatchApi } from './batch_api.js';
import { bareAnswer, collect } from './batch_collect.js';
import type { Pending } from './batch_collect.js';
import { cancelled, createCourier } from './batch_courier.js';
import { customId } from './batch_lines.js';
import type { FullFile } from './batch_queue.js';
import { createdRecord, goneRecord, submitRecord, uploadsOf } from './batch_records.js';
import type { DispatcherJournal } from './dispatch.js';
import type { Clock } from './limiter.js';

/** One upload, its batch and who waits for it. */
export interface Upload {
  readonly hash: string;
  readonly names: readonly string[];
  batch: string | undefined;
  readonly pending: Map<string, Pending>;
  isWorking: boolean;
}

export interface UploadsOptions {
  readonly api: BatchApi;
  readonly journal: DispatcherJournal;
  readonly clock: Clock;
  readonly pollMs: number;
  /** The run is to end. */
  readonly stop: AbortSignal;
  readonly onNotice: (sentence: string) => void;
  readonly onRefusedStructure: () => void;
  /** There is no batch of theirs after all: they go into another file. */
  readonly onRequeue: (pending: readonly Pending[]) => void;
}

export interface Uploads {
  /** Attempts that earlier runs left at the provider. */
  readonly heldCount: number;
  find(name: string): Upload | undefined;
  submit(file: FullFile): void;
  /** Goes for the answers of earlier runs' uploads, where someone waits for them. */
  collectHeld(): void;
  /** Resolves when nothing of this run is at work any more. */
  end(): Promise<void>;
}

export function createUploads(options: UploadsOptions): Uploads {
  const { journal, stop, onNotice } = options;
  const courier = createCourier(options);
  const uploads = new Set<Upload>();
  const uploadOf = new Map<string, Upload>();
  const jobs = new Set<Promise<void>>();

  const keep = (upload: Upload): void => {
    uploads.add(upload);
    for (const name of upload.names) uploadOf.set(name, upload);
  };
  for (const { hash, names, batch } of uploadsOf(journal.records).values()) {
    keep({ hash, names, batch, pending: new Map(), isWorking: false });
  }
  const forget = async (upload: Upload): Promise<void> => {
    await journal.append(goneRecord(upload.hash));
    uploads.delete(upload);
    for (const name of upload.names) uploadOf.delete(name);
  };
  const created = async (upload: Upload, batch: string): Promise<void> => {
    upload.batch = batch;
    await journal.append(createdRecord(upload.hash, batch));
  };

  /** Runs `work` on an upload; where it fails, all who wait for it learn why. */
  const start = (upload: Upload, work: (upload: Upload) => Promise<void>): void => {
    upload.isWorking = true;
    const job = work(upload)
      .catch((error: unknown) => {
        for (const { reject } of take(upload)) reject(error);
      })
      .finally(() => {
        upload.isWorking = false;
        jobs.delete(job);
        // Some began to wait while the answers of the others came in.
        if (upload.pending.size > 0) start(upload, stop.aborted ? refuseStopped : findAndCollect);
      });
    jobs.add(job);
  };
  const submitAndCollect = (lines: readonly Buffer[]) => async (upload: Upload) => {
    await journal.append(submitRecord(upload.hash, upload.names));
    const submitted = await courier.submit(lines, upload.hash);
    if (submitted.kind === 'refused') {
      const { reason, detail, status } = submitted.outcome;
      const answer = { ...bareAnswer('notBilled', reason, 'stop', detail), status };
      await forget(upload);
      for (const { resolve } of take(upload)) resolve(answer);
      return;
    }
    await created(upload, submitted.batch);
    onNotice(`batch ${submitted.batch}: ${upload.names.length} requests submitted`);
    await collectFrom(upload, submitted.batch);
  };
  /** An earlier run's upload: its batch is looked up where the journal does not know it. */
  const findAndCollect = async (upload: Upload): Promise<void> => {
    if (upload.batch === undefined) {
      const found = await courier.find(upload.hash);
      if (found === undefined) {
        await forget(upload);
        return options.onRequeue(take(upload));
      }
      await created(upload, found.id);
    }
    await collectFrom(upload, upload.batch!);
  };
  const collectFrom = async (upload: Upload, batch: string): Promise<void> => {
    const state = await courier.awaitEnd(batch);
    const names = new Map(upload.names.map((name) => [customId(name), name]));
    const waiting = new Map(take(upload).map((pending) => [pending.name, pending]));
    const { api, clock, onRefusedStructure } = options;
    const oddities = await collect({
      api: api.api,
      courier,
      state,
      names,
      pending: waiting,
      now: () => clock.now(),
      onRefusedStructure,
    }).catch((error: unknown) => {
      for (const pending of waiting.values()) upload.pending.set(pending.name, pending);
      throw error;
    });
    onNotice(`batch ${batch}: ${state.status}, ${names.size} requests`);
    const odd = Object.entries(oddities).filter(([, count]) => count > 0);
    for (const [what, count] of odd) onNotice(`batch ${batch}: ${count} lines ${what}`);
  };

  return {
    heldCount: uploadOf.size,
    find: (name) => uploadOf.get(name),
    submit: ({ lines, pending }) => {
      const names = [...pending.keys()];
      const upload = { hash: hashLines(lines), names, batch: undefined, pending, isWorking: true };
      keep(upload);
      start(upload, submitAndCollect(lines));
    },
    collectHeld: () => {
      for (const upload of uploads) {
        if (!upload.isWorking && upload.pending.size > 0) start(upload, findAndCollect);
      }
    },
    end: async () => {
      for (const upload of uploads) if (!upload.isWorking) start(upload, refuseStopped);
      await Promise.all(jobs);
    },
  };
}

function take({ pending }: Upload): Pending[] {
  const all = [...pending.values()];
  pending.clear();
  return all;
}

async function refuseStopped(): Promise<void> {
  throw cancelled();
}
