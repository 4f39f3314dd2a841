// How a run's calls reach the Batch API: all of them with --batch-api, else those alone that an
// earlier run left there.
import type { Dispatcher, DispatcherJournal } from '../generate/dispatch.js';
import type { GenerationFlags } from './generation_options.js';
import { forTerminalLine } from './terminal.js';

export async function withBatches(
  live: Dispatcher,
  journal: DispatcherJournal,
  server: { readonly baseUrl: string; readonly apiKey: string | undefined },
  flags: Pick<GenerationFlags, 'batchApi' | 'batchPollMs' | 'cancelBatches'>,
): Promise<Dispatcher> {
  if (flags.batchApi !== true && journal.records.length === 0) return live;
  const [
    { createBatchDispatcher },
    { createBatchApi },
    { createMixedDispatcher },
    { systemClock },
  ] = await Promise.all([
    import('../generate/batch.js'),
    import('../generate/batch_api.js'),
    import('../generate/dispatch_mixed.js'),
    import('../generate/clock.js'),
  ]);
  const api = createBatchApi(server);
  if (flags.cancelBatches === true) {
    const { cancelBatches } = await import('../generate/batch_cancel.js');
    notice(`${await cancelBatches(api, journal.records)} batches are asked to end`);
  }
  const options = {
    api,
    journal,
    clock: systemClock,
    pollMs: flags.batchPollMs,
    onNotice: notice,
  };
  if (flags.batchApi !== true) {
    const resend: Dispatcher['send'] = (attempt, signals) => live.send(attempt, signals);
    return createMixedDispatcher(live, createBatchDispatcher({ ...options, resend }));
  }
  await live[Symbol.asyncDispose]();
  return createBatchDispatcher(options);
}

function notice(sentence: string): void {
  process.stderr.write(`${forTerminalLine(sentence, 500)}\n`);
}
