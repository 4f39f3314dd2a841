import type OpenAI from 'openai';
import { classify } from './classify.js';
import type { Outcome } from './classify.js';
import type { Exchange } from './exchange.js';
import { createApi } from './openai_api.js';
import type { ApiOptions, OpenAiApi, OutputLimitField } from './openai_api.js';

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

export interface ProviderOptions extends ApiOptions {
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

/**
 * A provider on the `openai` client (`openai_api.ts`). Throws `RangeError` where the key would leave
 * unencrypted.
 */
export function createProvider(options: ProviderOptions): Provider {
  const api = createApi(options);
  const now = options.now ?? Date.now;
  let structured = true;
  return {
    async chat(request, signal) {
      const asked = structured && request.schema !== undefined;
      const params = paramsOf(request, api.outputLimitField, asked);
      const made = await api.call(
        (client, { headers, ...rest }) =>
          client.chat.completions.create(params, {
            ...rest,
            headers: { ...headers, ...nameHeader(request.name) },
          }),
        { signal },
      );
      const { answer, refusedStructure } = answerOf(api, made, now(), asked, request.fits);
      if (refusedStructure) structured = false;
      return answer;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

function nameHeader(name: string | undefined): Readonly<Record<string, string>> {
  return name === undefined ? {} : { 'x-client-request-id': name };
}

/** What a call's exchange means, in words that hold no key; `asked` for structured outputs. */
export function answerOf(
  api: Pick<OpenAiApi, 'redact' | 'spoken'>,
  made: Exchange,
  nowMs: number,
  asked: boolean,
  fits: ChatRequest['fits'],
): { readonly answer: ChatAnswer; readonly refusedStructure: boolean } {
  const found = classify(made, nowMs, fits);
  const answer = {
    ...found,
    reason: api.spoken(found.reason),
    detail: found.detail === undefined ? undefined : api.spoken(found.detail),
    content: found.content === undefined ? undefined : api.redact(found.content),
    headers: rateHeaders(made),
  };
  return asked && refusesStructure(found)
    ? {
        answer: { ...answer, reason: 'noStructuredOutputs', advice: 'retry' },
        refusedStructure: true,
      }
    : { answer, refusedStructure: false };
}

/** The body of a request, as a live call and a line of a batch file both send it. */
export function paramsOf(
  request: ChatRequest,
  outputLimit: OutputLimitField,
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

function rateHeaders(made: Exchange): ReadonlyMap<string, string> {
  const told = new Map<string, string>();
  if (made.kind === 'failed') return told;
  for (const [name, value] of made.headers) {
    if (/^(?:retry-after|x-ratelimit-)/.test(name)) told.set(name, value);
  }
  return told;
}

function refusesStructure({ status, detail }: Outcome): boolean {
  return (status === 400 || status === 422) && /response_format|json_schema/.test(detail ?? '');
}
