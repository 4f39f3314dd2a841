import OpenAI from 'openai';
import { keyRedactor } from './api_key.js';
import { createDispatcher, exchange, exchangeLimits, isLoopback } from './exchange.js';
import type { Exchange, ExchangeLimits, Outgoing } from './exchange.js';
import { encodeForm } from './form_body.js';

export interface ApiOptions {
  /** Up to and with the version, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  /** Undefined for servers that ask for none. */
  readonly apiKey?: string | undefined;
  readonly limits?: Partial<ExchangeLimits>;
  /** Default: `max_completion_tokens` for OpenAI itself, `max_tokens` for every other server. */
  readonly outputLimitField?: OutputLimitField | undefined;
}

export type OutputLimitField = 'max_tokens' | 'max_completion_tokens';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Limits of this call where they are not those of the API. */
  readonly limits?: Partial<ExchangeLimits>;
  /** Takes the body of a success in parts, instead of the exchange. */
  readonly sink?: Outgoing['sink'];
}

/** What the `openai` client is given with every call made through `OpenAiApi.call`. */
export interface ClientOptions {
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The `openai` client, which builds requests and nothing else: its retries and log are off, and the
 * exchange is ours. Nothing of the key is in what `call` returns unless the server echoes it.
 */
export interface OpenAiApi extends AsyncDisposable {
  readonly outputLimitField: OutputLimitField;
  /** Makes one request; does not throw for what comes of it. */
  call(
    make: (client: OpenAI, options: ClientOptions) => { asResponse(): Promise<Response> },
    options?: CallOptions,
  ): Promise<Exchange>;
  /** The text with the key blanked, also in its base64 and URL forms. */
  redact(text: string): string;
  /** The server's words, short, without the key and without what a terminal would obey. */
  spoken(text: string): string;
}

/** Characters of the server's own words that an outcome keeps. */
const maxDetail = 300;

const sentHeaders = [
  'accept',
  'content-type',
  'openai-organization',
  'openai-project',
  'x-client-request-id',
] as const;

/** Finds a call's own options from within the client's fetch; never sent. */
const callHeader = 'x-simgpt-call';

/** Throws `RangeError` where the address is none, or the key would leave unencrypted. */
export function createApi(options: ApiOptions): OpenAiApi {
  const baseUrl = checkedBaseUrl(options);
  const limits = { ...exchangeLimits, ...options.limits };
  const redact = keyRedactor(options.apiKey);
  const dispatcher = createDispatcher(baseUrl, limits);
  const exchanges = new WeakMap<Response, Exchange>();
  const calls = new Map<string, CallOptions>();
  const sendOut = (outgoing: Outgoing, { sink, limits: own }: CallOptions): Promise<Exchange> =>
    exchange({ ...outgoing, sink }, dispatcher, { ...limits, ...own });
  const client = new OpenAI({
    baseURL: baseUrl.href.replace(/\/$/, ''),
    apiKey: options.apiKey ?? 'none',
    adminAPIKey: null,
    maxRetries: 0,
    // Ours are the clocks; the client's own is only a net below them.
    timeout: 24 * 3600_000,
    logLevel: 'off',
    fetch: transport(baseUrl, options.apiKey, calls, sendOut, exchanges),
  });
  let made = 0;
  return {
    outputLimitField:
      options.outputLimitField ??
      (baseUrl.hostname === 'api.openai.com' ? 'max_completion_tokens' : 'max_tokens'),
    async call(make, callOptions = {}) {
      const { signal } = callOptions;
      if (signal?.aborted === true) return { kind: 'failed', sent: false, reason: 'cancelled' };
      const id = String((made += 1));
      calls.set(id, callOptions);
      try {
        const sending = make(client, { headers: { [callHeader]: id } });
        const found = exchanges.get(await sending.asResponse());
        return found ?? { kind: 'failed', sent: true, reason: 'cut' };
      } catch {
        // The client's own: nobody knows how far the request had come.
        return { kind: 'failed', sent: true, reason: 'cut' };
      } finally {
        calls.delete(id);
      }
    },
    redact,
    // Blanked before it is cut: half a key would pass for none.
    spoken: (text) => printable(redact(text)).slice(0, maxDetail),
    async [Symbol.asyncDispose]() {
      await dispatcher.destroy();
    },
  };
}

/** The client's fetch: sends by our own exchange, to one origin, only the headers that are needed. */
function transport(
  baseUrl: URL,
  apiKey: string | undefined,
  calls: ReadonlyMap<string, CallOptions>,
  sendOut: (outgoing: Outgoing, call: CallOptions) => Promise<Exchange>,
  exchanges: WeakMap<Response, Exchange>,
): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== baseUrl.origin) throw new Error('expected the origin of the base URL');
    const given = init?.headers instanceof Headers ? init.headers : new Headers(init?.headers);
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    for (const name of sentHeaders) {
      const value = given.get(name);
      if (value !== null) headers[name] = value;
    }
    if (apiKey !== undefined) headers['authorization'] = `Bearer ${apiKey}`;
    const form = init?.body instanceof FormData ? encodeForm(init.body) : undefined;
    const body = form?.body ?? (typeof init?.body === 'string' ? init.body : '');
    const call = calls.get(given.get(callHeader) ?? '') ?? {};
    const outgoing: Outgoing = {
      url,
      method: init?.method?.toUpperCase() === 'GET' ? 'GET' : 'POST',
      headers: { ...headers, ...form?.headers },
      body,
      // The caller's own: the client would wrap it anew for every call, which costs and is kept.
      signal: call.signal,
    };
    // The client sees an empty success always: errors are ours to name, without its texts. Without a
    // body, since a stream for each call costs as much as the call.
    const response = new Response(null);
    exchanges.set(response, await sendOut(outgoing, call));
    return response;
  };
}

function checkedBaseUrl({ baseUrl, apiKey }: ApiOptions): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new RangeError('expected a base URL such as https://host/v1, without a user or password');
  }
  if (apiKey !== undefined && url.protocol === 'http:' && !isLoopback(url)) {
    throw new RangeError(
      `expected an https base URL where an API key is sent, received ${url.origin}`,
    );
  }
  return url;
}

function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, ' ');
}
