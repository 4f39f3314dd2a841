import { createHash } from 'node:crypto';
import { parseJson, isJsonObject, jsonLimits } from '../files/json.js';
import { classify } from './classify.js';
import type { Outcome } from './classify.js';
import type { Exchange } from './exchange.js';
import { createApi } from './openai_api.js';
import type { ApiOptions, CallOptions, OpenAiApi } from './openai_api.js';

/** A batch as its server tells it. */
export interface BatchState {
  readonly id: string;
  readonly status: BatchStatus;
  readonly outputFile: string | undefined;
  readonly errorFile: string | undefined;
  /** Lines in the output file and in the error file, where the server counts them. */
  readonly completed: number | undefined;
  readonly failed: number | undefined;
  /** Why the whole batch was refused, where it was. */
  readonly problem: { readonly code: string; readonly message: string } | undefined;
}

export type BatchStatus =
  | 'running'
  | 'completed'
  /** Refused before a line of it was run. */
  | 'failed'
  | 'expired'
  | 'cancelled';

/** What became of one call: its value, or why there is none. */
export type Reply<Value> =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'none'; readonly outcome: Outcome };

/** Files and batches of one server, a call each: retries and their order are the caller's. */
export interface BatchApi extends AsyncDisposable {
  readonly api: OpenAiApi;
  upload(lines: readonly Buffer[], hash: string, signal?: AbortSignal): Promise<Reply<string>>;
  /** The batch carries the hash of its upload, by which it is found again. */
  create(file: string, hash: string): Promise<Reply<BatchState>>;
  /** The oldest batch of an upload; undefined where there is none. */
  find(hash: string, signal?: AbortSignal): Promise<Reply<BatchState | undefined>>;
  poll(id: string, signal?: AbortSignal): Promise<Reply<BatchState>>;
  /** Hands over each line of a file as it comes, without its line end. */
  download(
    file: string,
    onLine: (line: Buffer) => void,
    signal?: AbortSignal,
  ): Promise<Reply<undefined>>;
  cancel(id: string): Promise<Reply<BatchState>>;
}

/** Uploads and downloads may take their time, as long as bytes come. */
const transferLimits = { callMs: 3600_000, idleMs: 120_000, bodyBytes: 4 * 1024 ** 3 } as const;

/** The field of a batch's metadata that holds the sha256 of its upload. */
const hashField = 'simgpt_upload';
const pageSize = 100;
const mostPages = 1000;

export function hashLines(lines: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  return hash.digest('hex');
}

/** Throws `RangeError` as `createApi` does. */
export function createBatchApi(
  options: ApiOptions & { readonly now?: (() => number) | undefined },
): BatchApi {
  const api = createApi(options);
  const now = options.now ?? Date.now;

  const ask = async <Value>(
    make: Parameters<OpenAiApi['call']>[0],
    read: (json: Readonly<Record<string, unknown>>) => Value | undefined,
    callOptions: CallOptions = {},
  ): Promise<Reply<Value>> => {
    const made = await api.call(make, callOptions);
    if (!isSuccess(made)) return { kind: 'none', outcome: spokenOutcome(api, made, now()) };
    const value = readBody(made, read);
    return value === undefined ? { kind: 'none', outcome: noBatchApi } : { kind: 'value', value };
  };
  const listPage = (after: string | undefined, signal: AbortSignal | undefined) =>
    ask(
      (client, given) =>
        client.batches.list({ limit: pageSize, ...(after === undefined ? {} : { after }) }, given),
      ({ data, has_more: hasMore }) =>
        Array.isArray(data) ? { data: data.filter(isJsonObject), hasMore } : undefined,
      { signal },
    );

  return {
    api,
    upload: (lines, hash, signal) =>
      ask(
        (client, given) => {
          const file = new File([...lines], `simgpt-${hash.slice(0, 16)}.jsonl`);
          return client.files.create({ file, purpose: 'batch' }, given);
        },
        idOf,
        { signal, limits: transferLimits },
      ),
    create: (file, hash) =>
      ask(
        (client, given) =>
          client.batches.create(
            {
              input_file_id: file,
              endpoint: '/v1/chat/completions',
              completion_window: '24h',
              metadata: { [hashField]: hash },
            },
            given,
          ),
        stateOf,
      ),
    find: async (hash, signal) => {
      let found: BatchState | undefined;
      let after: string | undefined;
      for (let pages = 0; pages < mostPages; pages += 1) {
        const reply = await listPage(after, signal);
        if (reply.kind === 'none') return reply;
        const { data, hasMore } = reply.value;
        const ours = data.findLast(({ metadata }) => {
          return isJsonObject(metadata) && metadata[hashField] === hash;
        });
        // Newest come first, so a later page holds an older one.
        if (ours !== undefined) found = stateOf(ours) ?? found;
        after = idOf(data.at(-1) ?? {});
        if (hasMore !== true || after === undefined) break;
      }
      return { kind: 'value', value: found };
    },
    poll: (id, signal) =>
      ask((client, given) => client.batches.retrieve(id, given), stateOf, { signal }),
    download: async (file, onLine, signal) => {
      const lines = lineSplitter(onLine);
      const made = await api.call((client, given) => client.files.content(file, given), {
        signal,
        limits: transferLimits,
        sink: lines.take,
      });
      if (!isSuccess(made)) return { kind: 'none', outcome: spokenOutcome(api, made, now()) };
      lines.end();
      return { kind: 'value', value: undefined };
    },
    cancel: (id) => ask((client, given) => client.batches.cancel(id, given), stateOf),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

type Success = Extract<Exchange, { kind: 'answered' }>;

function isSuccess(made: Exchange): made is Success {
  return made.kind === 'answered' && made.status === 200;
}

function spokenOutcome(api: OpenAiApi, made: Exchange, nowMs: number): Outcome {
  const { content: _, ...found } = classify(made, nowMs);
  const detail = found.detail === undefined ? undefined : api.spoken(found.detail);
  return { ...found, reason: api.spoken(found.reason), detail, content: undefined };
}

/** A 200 that is not what the endpoint answers: asked again, then given up. */
const noBatchApi: Outcome = {
  kind: 'notTheApi',
  reason: 'notTheBatchApi',
  advice: 'retry',
  status: 200,
  usage: undefined,
  retryAfterMs: undefined,
  content: undefined,
  detail: undefined,
};

function readBody<Value>(
  { body }: Success,
  read: (json: Readonly<Record<string, unknown>>) => Value | undefined,
): Value | undefined {
  try {
    const json = parseJson(body, 'answer');
    return isJsonObject(json) ? read(json) : undefined;
  } catch {
    return undefined;
  }
}

/** An id of the server's: also a part of a path, and a line of our journal. */
function idOf(json: Readonly<Record<string, unknown>>): string | undefined {
  const { id } = json;
  return typeof id === 'string' && /^[\w.:-]{1,256}$/.test(id) ? id : undefined;
}

const statuses = new Map<unknown, BatchStatus>([
  ['validating', 'running'],
  ['in_progress', 'running'],
  ['finalizing', 'running'],
  ['cancelling', 'running'],
  ['completed', 'completed'],
  ['failed', 'failed'],
  ['expired', 'expired'],
  ['cancelled', 'cancelled'],
]);

function stateOf(json: Readonly<Record<string, unknown>>): BatchState | undefined {
  const id = idOf(json);
  const status = statuses.get(json['status']);
  if (id === undefined || status === undefined) return undefined;
  const counts = isJsonObject(json['request_counts']) ? json['request_counts'] : {};
  const errors = isJsonObject(json['errors']) ? json['errors']['data'] : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  return {
    id,
    status,
    outputFile: idOf({ id: json['output_file_id'] }),
    errorFile: idOf({ id: json['error_file_id'] }),
    completed: countOf(counts['completed']),
    failed: countOf(counts['failed']),
    problem: isJsonObject(first)
      ? { code: wordOf(first['code']), message: wordOf(first['message']) }
      : undefined,
  };
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Cuts bytes into lines; one longer than any record may be is left out, as if it were not there. */
function lineSplitter(onLine: (line: Buffer) => void) {
  let parts: Buffer[] = [];
  let bytes = 0;
  const end = (): void => {
    if (bytes > 0 && bytes <= jsonLimits.bytes) onLine(Buffer.concat(parts));
    [parts, bytes] = [[], 0];
  };
  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= jsonLimits.bytes) parts.push(part);
    else parts = [];
  };
  return {
    end,
    take: (chunk: Uint8Array): void => {
      let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      for (let at = rest.indexOf(0x0a); at >= 0; at = rest.indexOf(0x0a)) {
        keep(rest.subarray(0, at));
        end();
        rest = rest.subarray(at + 1);
      }
      if (rest.length > 0) keep(rest);
    },
  };
}
