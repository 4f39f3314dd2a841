// How a run's calls reach the Batch API: all of them with --batch-api, else those alone that an
// earlier run left there.
import type { Dispatcher, DispatcherJournal } from './dispatch.js';
import type { RunSettings } from './run_settings.js';

export async function withBatches(
  live: Dispatcher,
  journal: DispatcherJournal,
  server: { readonly baseUrl: string; readonly apiKey: string | undefined },
  settings: Pick<RunSettings, 'batchApi' | 'batchPollMs' | 'cancelBatches'>,
  onNotice: (sentence: string) => void,
): Promise<Dispatcher> {
  if (settings.batchApi !== true && journal.records.length === 0) return live;
  const [
    { createBatchDispatcher },
    { createBatchApi },
    { createMixedDispatcher },
    { systemClock },
  ] = await Promise.all([
    import('./batch.js'),
    import('./batch_api.js'),
    import('./dispatch_mixed.js'),
    import('./clock.js'),
  ]);
  const api = createBatchApi(server);
  if (settings.cancelBatches === true) {
    const { cancelBatches } = await import('./batch_cancel.js');
    onNotice(`${await cancelBatches(api, journal.records)} batches are asked to end`);
  }
  const options = {
    api,
    journal,
    clock: systemClock,
    pollMs: settings.batchPollMs,
    onNotice,
  };
  if (settings.batchApi !== true) {
    const resend: Dispatcher['send'] = (attempt, signals) => live.send(attempt, signals);
    return createMixedDispatcher(live, createBatchDispatcher({ ...options, resend }));
  }
  await live[Symbol.asyncDispose]();
  return createBatchDispatcher(options);
}
