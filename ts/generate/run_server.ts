// Where the calls of a run go: a server and its key, or the rehearsal.
import { withBatches } from './batch_mode.js';
import type { GenerateOptions } from './generate.js';
import type { Provider } from './provider.js';
import type { RunSettings } from './run_settings.js';

const openAiUrl = 'https://api.openai.com/v1';

export interface Server {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
}

/** The server that the settings name, and its key. Throws RangeError, SimgptError. */
export async function serverOf(settings: RunSettings): Promise<Server> {
  if (settings.provider === 'rehearsal') {
    if (settings.batchApi !== true) return { baseUrl: 'the rehearsal', apiKey: undefined };
    throw new RangeError('expected no --batch-api beside --provider rehearsal, received it');
  }
  const { readApiKey } = await import('./api_key.js');
  const apiKey = await readApiKey(settings.apiKeyFile);
  const fromEnvironment = process.env['OPENAI_BASE_URL']?.trim();
  const baseUrl = settings.baseUrl ?? (fromEnvironment || openAiUrl);
  if (apiKey === undefined && baseUrl.startsWith(openAiUrl)) {
    throw new RangeError(
      'expected an API key in OPENAI_API_KEY or --api-key-file, received none ' +
        '(a server of your own: --base-url)',
    );
  }
  return { baseUrl, apiKey };
}

/** How calls reach that server, as the settings say; nothing is sent before it is asked. */
export async function dispatcherOf(
  { baseUrl, apiKey }: Server,
  settings: RunSettings,
  onNotice: (sentence: string) => void,
): Promise<GenerateOptions['dispatcher']> {
  // Checked now, although a finished run needs no server.
  const callMs = settings.callTimeoutMs;
  const limits = { callMs, idleMs: Math.min(callMs, 30_000) };
  const provider =
    settings.provider === 'rehearsal'
      ? await rehearsalProvider(settings)
      : (await import('./provider.js')).createProvider({ baseUrl, apiKey, limits });
  const [{ createLimiter }, { createBreaker }, { systemClock }, { createLiveDispatcher }] =
    await Promise.all([
      import('./limiter.js'),
      import('./breaker.js'),
      import('./clock.js'),
      import('./dispatch.js'),
    ]);
  const rates = {
    requestsPerMinute: settings.requestsPerMinute ?? Number.POSITIVE_INFINITY,
    tokensPerMinute: settings.tokensPerMinute ?? Number.POSITIVE_INFINITY,
  };
  return (journal) => {
    const live = createLiveDispatcher({
      provider,
      limiter: createLimiter(rates, systemClock),
      breaker: createBreaker(systemClock),
      clock: systemClock,
      inFlight: settings.concurrency,
    });
    return withBatches(live, journal, { baseUrl, apiKey }, settings, onNotice);
  };
}

async function rehearsalProvider({ templates: folder }: RunSettings): Promise<Provider> {
  const [{ loadTemplates }, { createRehearsalProvider }] = await Promise.all([
    import('./template.js'),
    import('./rehearsal/provider.js'),
  ]);
  return createRehearsalProvider(await loadTemplates(folder === undefined ? {} : { folder }));
}
