import OpenAI from 'openai';
import { keyRedactor } from './api_key.js';
import { classify } from './classify.js';
import type { Outcome } from './classify.js';
import { createDispatcher, exchange, exchangeLimits, isLoopback } from './exchange.js';
import type { Exchange, ExchangeLimits, Outgoing } from './exchange.js';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Sent as the output limit: what a call may cost is known before it is made. */
  readonly maxOutputTokens: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly seed?: number;
  /** Sent as `x-client-request-id`, so that a provider's bill can name the call. */
  readonly name?: string;
  /** A JSON schema for structured outputs; left out once the server has refused it. */
  readonly schema?: { readonly name: string; readonly schema: Readonly<Record<string, unknown>> };
  /** Whether the content is what was asked for. */
  readonly fits?: (content: string) => boolean;
}

export interface ProviderOptions {
  /** Up to and with the version, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  /** Undefined for servers that ask for none. */
  readonly apiKey?: string | undefined;
  readonly limits?: Partial<ExchangeLimits>;
  /** Default: `max_completion_tokens` for OpenAI itself, `max_tokens` for every other server. */
  readonly outputLimitField?: 'max_tokens' | 'max_completion_tokens';
  readonly now?: () => number;
}

export interface ChatAnswer extends Outcome {
  /** `retry-after` and rate headers, for the limiter; others might echo what we sent. */
  readonly headers: ReadonlyMap<string, string>;
}

/** One attempt per call: retries, claims and waiting are the caller's. */
export interface Provider extends AsyncDisposable {
  chat(request: ChatRequest, signal?: AbortSignal): Promise<ChatAnswer>;
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

/**
 * A provider on the `openai` client, which builds the request and nothing else: its retries and log
 * are off, and the exchange is ours. Throws `RangeError` where the key would leave unencrypted.
 */
export function createProvider(options: ProviderOptions): Provider {
  const baseUrl = checkedBaseUrl(options);
  const limits = { ...exchangeLimits, ...options.limits };
  const redact = keyRedactor(options.apiKey);
  // Blanked before it is cut: half a key would pass for none.
  const spoken = (text: string): string => printable(redact(text)).slice(0, maxDetail);
  const dispatcher = createDispatcher(baseUrl, limits);
  const exchanges = new WeakMap<Response, Exchange>();
  const client = new OpenAI({
    baseURL: baseUrl.href.replace(/\/$/, ''),
    apiKey: options.apiKey ?? 'none',
    adminAPIKey: null,
    maxRetries: 0,
    timeout: limits.callMs + 60_000,
    logLevel: 'off',
    fetch: transport(
      baseUrl,
      options.apiKey,
      (out) => exchange(out, dispatcher, limits),
      exchanges,
    ),
  });
  const outputLimit =
    options.outputLimitField ??
    (baseUrl.hostname === 'api.openai.com' ? 'max_completion_tokens' : 'max_tokens');
  let structured = true;

  return {
    async chat(request, signal) {
      const { schema } = request;
      const asked = structured && schema !== undefined;
      const params = paramsOf(request, outputLimit, asked);
      const made = await send(client, exchanges, params, request.name, signal);
      const found = classify(made, (options.now ?? Date.now)(), request.fits);
      const told = {
        ...found,
        reason: spoken(found.reason),
        detail: found.detail === undefined ? undefined : spoken(found.detail),
        content: found.content === undefined ? undefined : redact(found.content),
        headers: rateHeaders(made),
      };
      if (asked && refusesStructure(found)) {
        structured = false;
        return { ...told, reason: 'noStructuredOutputs', advice: 'retry' };
      }
      return told;
    },
    async [Symbol.asyncDispose]() {
      await dispatcher.destroy();
    },
  };
}

/** The client's fetch: sends by our own exchange, to one origin, only the headers that are needed. */
function transport(
  baseUrl: URL,
  apiKey: string | undefined,
  sendOut: (outgoing: Outgoing) => Promise<Exchange>,
  exchanges: WeakMap<Response, Exchange>,
): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== baseUrl.origin) throw new Error('expected the origin of the base URL');
    const given = new Headers(init?.headers);
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    for (const name of sentHeaders) {
      const value = given.get(name);
      if (value !== null) headers[name] = value;
    }
    if (apiKey !== undefined) headers['authorization'] = `Bearer ${apiKey}`;
    const body = typeof init?.body === 'string' ? init.body : '';
    // The client sees an empty success always: errors are ours to name, without its texts.
    const response = new Response('{}', { headers: { 'content-type': 'application/json' } });
    exchanges.set(
      response,
      await sendOut({ url, headers, body, signal: init?.signal ?? undefined }),
    );
    return response;
  };
}

async function send(
  client: OpenAI,
  exchanges: WeakMap<Response, Exchange>,
  params: OpenAI.ChatCompletionCreateParamsNonStreaming,
  name: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Exchange> {
  if (isAborted(signal)) return { kind: 'failed', sent: false, reason: 'cancelled' };
  try {
    const sending = client.chat.completions.create(params, {
      ...(signal === undefined ? {} : { signal }),
      ...(name === undefined ? {} : { headers: { 'x-client-request-id': name } }),
    });
    const made = exchanges.get(await sending.asResponse());
    return made ?? { kind: 'failed', sent: true, reason: 'cut' };
  } catch {
    // The client gives up on its own only where the caller's signal fired while it was away.
    return { kind: 'failed', sent: true, reason: isAborted(signal) ? 'cancelled' : 'cut' };
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** The body of a request, as a live call and a line of a batch file both send it. */
export function paramsOf(
  request: ChatRequest,
  outputLimit: 'max_tokens' | 'max_completion_tokens',
  structured: boolean,
): OpenAI.ChatCompletionCreateParamsNonStreaming {
  const { model, messages, maxOutputTokens, temperature, topP, seed, schema } = request;
  const { presencePenalty, frequencyPenalty } = request;
  return {
    model,
    messages: messages.map(({ role, content }) => ({ role, content })),
    [outputLimit]: maxOutputTokens,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    ...(seed === undefined ? {} : { seed }),
    ...(structured && schema !== undefined
      ? { response_format: { type: 'json_schema', json_schema: { ...schema, strict: true } } }
      : {}),
  };
}

function checkedBaseUrl({ baseUrl, apiKey }: ProviderOptions): URL {
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

function rateHeaders(made: Exchange): ReadonlyMap<string, string> {
  const all = made.kind === 'answered' ? [...made.headers] : [];
  return new Map(all.filter(([name]) => /^(?:retry-after|x-ratelimit-)/.test(name)));
}

function refusesStructure({ status, detail }: Outcome): boolean {
  return (status === 400 || status === 422) && /response_format|json_schema/.test(detail ?? '');
}

/** The server's words, without what a terminal would obey. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, ' ');
}
