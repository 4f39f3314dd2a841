import { isJsonObject, parseJson } from '../files/json.js';
import type { Exchange } from './exchange.js';

/** What a call cost and whether its answer can be used. */
export type OutcomeKind =
  | 'notSent'
  | 'notBilled'
  | 'unknown'
  | 'billedUnusable'
  | 'notTheApi'
  | 'ok';

/** `retry`: a new claim may be made; `fail`: this example is lost; `stop`: the run is. */
export type Advice = 'done' | 'retry' | 'fail' | 'stop';

/** Tokens as the server counted them. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface Outcome {
  readonly kind: OutcomeKind;
  /** A stable word: `ok`, a transport failure, the API's error code, or what was wrong. */
  readonly reason: string;
  readonly advice: Advice;
  readonly status: number | undefined;
  /** Undefined where the server told none that can be true: then the worst case is booked. */
  readonly usage: Usage | undefined;
  /** How long the server asked to wait, at most 60 s. */
  readonly retryAfterMs: number | undefined;
  /** The answer's text where there is one, usable or not. */
  readonly content: string | undefined;
  /** The server's own sentence, for people; never parsed. */
  readonly detail: string | undefined;
}

const maxRetryAfterMs = 60_000;

/** The wait that the headers ask for: `retry-after-ms`, seconds or an HTTP date; at most 60 s. */
export function retryAfterMs(
  headers: ReadonlyMap<string, string>,
  nowMs: number,
): number | undefined {
  const asked = number(headers.get('retry-after-ms')) ?? secondsOrDate(headers, nowMs);
  return asked === undefined ? undefined : Math.min(Math.max(asked, 0), maxRetryAfterMs);
}

function secondsOrDate(headers: ReadonlyMap<string, string>, nowMs: number): number | undefined {
  const text = headers.get('retry-after')?.trim();
  const seconds = number(text);
  if (seconds !== undefined) return seconds * 1000;
  // Only the one form of HTTP dates: Date.parse alone would read "-5" as a year.
  if (text === undefined || !/^[A-Z][a-z]{2}, .* GMT$/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date - nowMs;
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}

function outcome(
  kind: OutcomeKind,
  reason: string,
  advice: Advice,
  rest: Partial<Outcome> = {},
): Outcome {
  const none = { status: undefined, usage: undefined, retryAfterMs: undefined };
  return { ...none, content: undefined, detail: undefined, ...rest, kind, reason, advice };
}

/** Sorts one call into its class; `fits` checks the content where a schema was asked for. */
export function classify(
  exchange: Exchange,
  nowMs: number,
  fits: (content: string) => boolean = () => true,
): Outcome {
  if (exchange.kind === 'failed') {
    const kind = exchange.sent ? 'unknown' : 'notSent';
    return outcome(kind, exchange.reason, exchange.reason === 'cancelled' ? 'stop' : 'retry');
  }
  const { status, headers } = exchange;
  const told = { status, retryAfterMs: retryAfterMs(headers, nowMs) };
  if (status >= 400) return refused(exchange.body, told);
  if (status < 200 || status >= 300) {
    return outcome('notTheApi', status >= 300 ? 'redirect' : 'status', 'retry', told);
  }
  if (!/^application\/([\w.-]+\+)?json\b/i.test(headers.get('content-type') ?? '')) {
    return outcome('notTheApi', 'contentType', 'retry', told);
  }
  return { ...completed(exchange.body, fits), ...told };
}

function parsed(body: Uint8Array): unknown {
  try {
    return parseJson(body, 'answer');
  } catch {
    return undefined;
  }
}

const stops = new Set(['insufficient_quota', 'model_not_found', 'invalid_api_key']);

/** The API's own JSON error proves that nothing was billed; a page of something between does not. */
function refused(
  body: Uint8Array,
  told: { readonly status: number; readonly retryAfterMs: number | undefined },
): Outcome {
  const json = parsed(body);
  const error = isJsonObject(json) ? json['error'] : undefined;
  const { status } = told;
  const retryable = status === 408 || status === 409 || status === 429 || status >= 500;
  if (!isJsonObject(error) && typeof error !== 'string') {
    if (status === 429) return outcome('notBilled', 'rateLimited', 'retry', told);
    return status === 408 || status >= 500
      ? outcome('unknown', 'gateway', 'retry', told)
      : outcome('notTheApi', 'errorPage', 'retry', told);
  }
  const fields = isJsonObject(error) ? error : { message: error };
  const words = [fields['code'], fields['type']].filter((word) => typeof word === 'string');
  const stop = words.find((word) => stops.has(word));
  const message = typeof fields['message'] === 'string' ? fields['message'] : undefined;
  const reason = stop ?? (status === 429 ? 'rateLimited' : (words[0] ?? `status${status}`));
  const ends = stop !== undefined || status === 401 || status === 403;
  const advice = ends ? 'stop' : retryable ? 'retry' : 'fail';
  return outcome('notBilled', reason, advice, { ...told, detail: message });
}

function completed(body: Uint8Array, fits: (content: string) => boolean): Outcome {
  const json = parsed(body);
  if (!isJsonObject(json)) return unusable('invalidJson');
  const usage = usageOf(json['usage']);
  const choices = json['choices'];
  if (choices === undefined && isJsonObject(json['error'])) return unusable('errorInAnswer');
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (!isJsonObject(choice)) return unusable('emptyChoices', usage);
  const message = isJsonObject(choice['message']) ? choice['message'] : {};
  const content = typeof message['content'] === 'string' ? message['content'] : undefined;
  const refusal = message['refusal'];
  const finish = choice['finish_reason'];
  if (typeof refusal === 'string' && refusal !== '') {
    return unusable('refusal', usage, content ?? refusal);
  }
  if (finish === 'length') return unusable('length', usage, content);
  if (finish === 'content_filter') return unusable('filter', usage, content);
  if (finish !== 'stop') return unusable('finishReason', usage, content);
  if (content === undefined || content === '') return unusable('emptyContent', usage);
  const told = usage?.completionTokens === 0 ? undefined : usage;
  return fits(content)
    ? outcome('ok', 'ok', 'done', { usage: told, content })
    : unusable('schema', told, content);
}

function unusable(reason: string, usage?: Usage, content?: string): Outcome {
  return outcome('billedUnusable', reason, 'retry', { usage, content });
}

/** Counts that contradict themselves are no counts: the worst case is booked instead. */
function usageOf(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = value;
  if (!isCount(prompt) || !isCount(completion) || prompt === 0) return undefined;
  if (total !== undefined && total !== prompt + completion) return undefined;
  return { promptTokens: prompt, completionTokens: completion };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
