// A tiny run in batch mode, in this process or as a process that is killed at the n-th of its calls
// and journal records:
//   node batch_run.js '{"folder": "...", "input": "...", "baseUrl": "...", "killAt": 5}'
import { fileURLToPath } from 'node:url';
import { createBatchDispatcher } from '#dist/generate/batch.js';
import { createBatchApi } from '#dist/generate/batch_api.js';
import type { BatchApi } from '#dist/generate/batch_api.js';
import type { BatchOptions } from '#dist/generate/batch.js';
import type { DispatcherJournal } from '#dist/generate/dispatch.js';
import type { GenerateOptions, GenerateResult } from '#dist/generate/generate.js';
import { jumpingClock, runTiny } from './tiny_run.js';
import type { TinyRun } from './tiny_run.js';

export interface BatchRun extends TinyRun {
  readonly fileLimits?: BatchOptions['limits'];
  /** Ends the process before the n-th event, from 1. */
  readonly killAt?: number;
  readonly onEvent?: (name: string) => void;
  readonly onNotice?: (sentence: string) => void;
}

export async function runBatch(
  { fileLimits, killAt = 0, onEvent = () => {}, onNotice = () => {}, ...run }: BatchRun,
  more: Partial<GenerateOptions> = {},
): Promise<GenerateResult> {
  const clock = more.clock ?? jumpingClock();
  let events = 0;
  const event = (name: string): void => {
    events += 1;
    onEvent(name);
    if (events === killAt) process.kill(process.pid, 'SIGKILL');
  };
  return runTiny(run, {
    clock,
    dispatcher: (journal) =>
      createBatchDispatcher({
        api: watched(
          createBatchApi({ baseUrl: run.baseUrl ?? '', limits: { callMs: 60_000 } }),
          event,
        ),
        journal: watchedJournal(journal, event),
        clock,
        onNotice,
        ...(fileLimits === undefined ? {} : { limits: fileLimits }),
      }),
    ...more,
  });
}

/** Tells of every call before it is made and after its answer came. */
function watched(api: BatchApi, event: (name: string) => void): BatchApi {
  const around = async <Value>(name: string, call: () => Promise<Value>): Promise<Value> => {
    event(name);
    const value = await call();
    event(`${name} answered`);
    return value;
  };
  return {
    api: api.api,
    upload: (...args) => around('upload', () => api.upload(...args)),
    create: (...args) => around('create', () => api.create(...args)),
    find: (...args) => around('find', () => api.find(...args)),
    poll: (...args) => around('poll', () => api.poll(...args)),
    download: (...args) => around('download', () => api.download(...args)),
    cancel: (...args) => around('cancel', () => api.cancel(...args)),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

function watchedJournal(
  { records, append }: DispatcherJournal,
  event: (name: string) => void,
): DispatcherJournal {
  return {
    records,
    append: async (record) => {
      event('record');
      await append(record);
      event('record durable');
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { kind, stop } = await runBatch(JSON.parse(process.argv[2] ?? '{}') as BatchRun);
  process.stdout.write(`${kind} ${stop?.reason ?? ''}\n`);
}
