// Files and batches of the fake server: upload, create, poll, cancel, output in shuffled order, error
// file, expiry with partial results, and what can go wrong at each call. All of it is a function of
// the run's seed, the line's custom_id and the number of the call.
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { chance, faults, sendJson } from './fake_faults.js';
import type { Completion } from './fake_faults.js';

/** How the n-th call of an endpoint goes wrong; the last word repeats only where it is all there is. */
export type CallFault =
  /** Nothing is done and the connection ends. */
  | 'cutBefore'
  /** All is done, but the answer does not come. */
  | 'cutAfter'
  /** Half of the answer comes. */
  | 'cutBody'
  | 'error500'
  | 'html'
  | 'limitSeconds'
  /** The key is refused. */
  | 'refused'
  /** It is refused, and told again. */
  | 'echo'
  | 'none';

type Endpoint = 'upload' | 'create' | 'list' | 'poll' | 'content' | 'cancel';

export interface BatchSettings {
  /** Polls that find a batch unfinished. */
  readonly polls?: number;
  /** How the n-th batch ends; completed unless given. */
  readonly ends?: readonly ('completed' | 'expired' | 'failed' | 'cancelled')[];
  /** The share of lines done when a batch expires or is cancelled. */
  readonly done?: number;
  /** Chances of a line's result: left out, told twice, with another id before it, garbled. */
  readonly lines?: Partial<Record<'missing' | 'doubled' | 'stranger' | 'garbled', number>>;
  readonly calls?: Partial<Record<Endpoint, readonly CallFault[]>>;
  /** The chance that any call goes wrong in any of the ways. */
  readonly callRate?: number;
  /** Batches that may be made; the next is refused as beyond the queue's token limit. */
  readonly limitAt?: number;
}

export interface BatchContext {
  readonly run: string;
  readonly settings: BatchSettings;
  readonly models: readonly string[];
  complete(body: unknown): Completion;
  faultFor(body: unknown): string | undefined;
  charge(good: Completion, name: string): void;
}

interface StoredFile {
  readonly id: string;
  readonly name: string;
  readonly purpose: string;
  readonly content: Buffer;
}

interface Batch {
  readonly id: string;
  readonly input: string;
  readonly metadata: unknown;
  readonly ordinal: number;
  status: string;
  polls: number;
  output: string | null;
  errors: string | null;
  problems: readonly object[];
  counts: { total: number; completed: number; failed: number };
}

interface Line {
  readonly custom_id: string;
  readonly method: string;
  readonly url: string;
  readonly body: { readonly model: string };
}

const maxBytes = 200_000_000;
const maxLines = 50_000;
const callFaults: readonly CallFault[] = ['cutBefore', 'cutAfter', 'cutBody', 'error500', 'html'];
/** Faults of a chat answer that a line of a batch can have too. */
const lineFaults = new Set(
  (
    'error500 error503 badRequest unprocessable length filter toolCalls refusal nullContent ' +
    'emptyContent emptyChoices noChoices wrongSchema noUsage wrongTotal duplicateId errorInAnswer'
  ).split(' '),
);

export function createBatches(context: BatchContext) {
  const files = new Map<string, StoredFile>();
  const batches = new Map<string, Batch>();
  const calls = new Map<Endpoint, number>();

  const faultOf = (endpoint: Endpoint): CallFault => {
    const n = calls.get(endpoint) ?? 0;
    calls.set(endpoint, n + 1);
    const asked = context.settings.calls?.[endpoint]?.[n];
    if (asked !== undefined) return asked;
    const words = [context.run, 'call', endpoint, n] as const;
    if (chance(...words) >= (context.settings.callRate ?? 0)) return 'none';
    return callFaults[Math.floor(chance(...words, 'kind') * callFaults.length)]!;
  };
  const store = (prefix: string, name: string, purpose: string, content: Buffer): StoredFile => {
    const id = `file-${prefix}${files.size}`;
    const file = { id, name, purpose, content };
    files.set(id, file);
    return file;
  };
  /** Does the work unless the call is to fail before it; answers unless it is to fail after it. */
  const answer = (
    endpoint: Endpoint,
    response: ServerResponse,
    work: () => { readonly status?: number; readonly json?: unknown; readonly bytes?: Buffer },
  ): void => {
    const fault = faultOf(endpoint);
    if (fault === 'cutBefore') return void response.destroy();
    if (fault === 'error500' || fault === 'html' || fault === 'limitSeconds') {
      return faults[fault]!.answer(response, noCompletion);
    }
    if (fault === 'refused') return faults['unauthorized']!.answer(response, noCompletion);
    if (fault === 'echo') return faults['echo']!.answer(response, noCompletion);
    const { status = 200, json, bytes = Buffer.from(JSON.stringify(json)) } = work();
    if (fault === 'cutAfter') return void response.destroy();
    const type = json === undefined ? 'application/octet-stream' : 'application/json';
    const length = String(bytes.length);
    response.writeHead(status, { 'content-type': type, 'content-length': length });
    if (fault !== 'cutBody') return void response.end(bytes);
    response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
  };

  const run = (batch: Batch): void => {
    const lines = linesOf(files.get(batch.input)?.content ?? Buffer.alloc(0));
    batch.problems = typeof lines === 'string' ? [problem(lines)] : problemsOf(context, lines);
    const end = context.settings.ends?.[batch.ordinal] ?? 'completed';
    if (typeof lines === 'string' || batch.problems.length > 0 || end === 'failed') {
      if (batch.problems.length === 0) batch.problems = [problem('server_error')];
      batch.status = 'failed';
      return;
    }
    const isPartial = end !== 'completed' || batch.status === 'cancelling';
    const done = isPartial ? (context.settings.done ?? 0.5) : 1;
    const [output, errors]: [string[], string[]] = [[], []];
    const order = (line: Line): number => chance(context.run, batch.id, line.custom_id);
    batch.counts.total = lines.length;
    for (const line of lines.toSorted((a, b) => order(a) - order(b))) {
      if (chance(context.run, 'done', line.custom_id) >= done) {
        if (batch.status !== 'cancelling') errors.push(expired(line));
      } else if (runLine(line, output, errors)) batch.counts.completed += 1;
      else batch.counts.failed += 1;
    }
    if (output.length > 0) batch.output = fileOf('out', output).id;
    if (errors.length > 0) batch.errors = fileOf('err', errors).id;
    batch.status = batch.status === 'cancelling' ? 'cancelled' : end;
  };
  const fileOf = (prefix: string, lines: readonly string[]): StoredFile =>
    store(prefix, `${prefix}.jsonl`, 'batch_output', Buffer.from(lines.join('')));

  /** Puts the result where it belongs; false where it is an error. */
  const runLine = (line: Line, output: string[], errors: string[]): boolean => {
    const good = context.complete(line.body);
    const name = context.faultFor(line.body) ?? '';
    const fault = lineFaults.has(name) ? faults[name] : undefined;
    if (fault === undefined || fault.billed) context.charge(good, line.custom_id);
    const { status, json } =
      fault === undefined ? { status: 200, json: good } : caught(fault, good);
    const result = resultOf(line.custom_id, status, json);
    if (status >= 400) {
      errors.push(result);
      return false;
    }
    const is = (what: 'missing' | 'doubled' | 'stranger' | 'garbled'): boolean =>
      chance(context.run, what, line.custom_id) < (context.settings.lines?.[what] ?? 0);
    if (is('stranger')) output.push(resultOf(`${line.custom_id}.9`, 200, good));
    if (is('garbled')) output.push(`${result.slice(0, 40)}\n`);
    else if (!is('missing')) output.push(result);
    if (is('doubled')) output.push(result);
    return true;
  };

  return {
    totals: () => ({ files: files.size, batches: batches.size }),
    /** Runs what nobody asked about: it costs the same. */
    finish: () => {
      for (const batch of batches.values()) {
        if (/^(validating|in_progress|cancelling)$/.test(batch.status)) run(batch);
      }
    },
    /** Whether the request was one of these endpoints'. */
    async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://fake');
      const [, kind, id, more] = /^\/v1\/(files|batches)(?:\/([^/]+))?(?:\/(\w+))?$/.exec(
        pathname,
      ) ?? [''];
      const isPost = request.method === 'POST';
      if (kind === 'files' && id === undefined && isPost) await upload(request, response);
      else if (kind === 'files' && more === 'content') download(response, id ?? '');
      else if (kind === 'batches' && id === undefined && isPost) {
        create(response, await readJson(request));
      } else if (kind === 'batches' && id === undefined) {
        answer('list', response, () => ({ json: page([...batches.values()], searchParams) }));
      } else if (kind === 'batches' && more === 'cancel') cancel(response, id ?? '');
      else if (kind === 'batches' && more === undefined) poll(response, id ?? '');
      else return false;
      return true;
    },
  };

  async function upload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Told by the header, so that 201 MB need not be read to be refused.
    if (Number(request.headers['content-length'] ?? 0) > maxBytes + 10_000) {
      response.setHeader('connection', 'close');
      return sendJson(response, 413, refusal('file_too_large', 'expected at most 200 MB'));
    }
    const type = String(request.headers['content-type']);
    const body = Readable.toWeb(request) as unknown as ReadableStream<Uint8Array>;
    const form = await new Response(body, { headers: { 'content-type': type } }).formData();
    const file = form.get('file') as File;
    const bytes = Buffer.from(await file.arrayBuffer());
    answer('upload', response, () => {
      return { json: fileJson(store('in', file.name, form.get('purpose') as string, bytes)) };
    });
  }

  function download(response: ServerResponse, id: string): void {
    const file = files.get(id);
    if (file === undefined) return sendJson(response, 404, refusal('not_found', `no file ${id}`));
    answer('content', response, () => ({ bytes: file.content }));
  }

  function create(response: ServerResponse, body: Readonly<Record<string, unknown>>): void {
    const { input_file_id: input, endpoint, completion_window: window } = body;
    const isKnown = typeof input === 'string' && files.get(input)?.purpose === 'batch';
    if (!isKnown || endpoint !== '/v1/chat/completions' || window !== '24h') {
      return sendJson(response, 400, refusal('invalid_request_error', 'expected a batch file'));
    }
    if (batches.size >= (context.settings.limitAt ?? Number.POSITIVE_INFINITY)) {
      return sendJson(response, 429, refusal('token_limit_exceeded', 'expected fewer tokens'));
    }
    answer('create', response, () => {
      const ordinal = batches.size;
      const id = `batch_${createHash('sha256').update(`${ordinal}`).digest('hex').slice(0, 12)}`;
      const counts = { total: 0, completed: 0, failed: 0 };
      const rest = { output: null, errors: null, problems: [], metadata: body['metadata'] ?? null };
      const batch = { id, input, ordinal, status: 'validating', polls: 0, counts, ...rest };
      batches.set(id, batch);
      return { json: batchJson(batch) };
    });
  }

  function poll(response: ServerResponse, id: string): void {
    const batch = batches.get(id);
    if (batch === undefined) return sendJson(response, 404, refusal('not_found', `no batch ${id}`));
    answer('poll', response, () => {
      batch.polls += 1;
      const isOver = batch.polls > (context.settings.polls ?? 1) || batch.status === 'cancelling';
      if (isOver && /^(validating|in_progress|cancelling)$/.test(batch.status)) run(batch);
      else if (batch.status === 'validating') batch.status = 'in_progress';
      return { json: batchJson(batch) };
    });
  }

  function cancel(response: ServerResponse, id: string): void {
    const batch = batches.get(id);
    if (batch === undefined) return sendJson(response, 404, refusal('not_found', `no batch ${id}`));
    answer('cancel', response, () => {
      if (/^(validating|in_progress)$/.test(batch.status)) batch.status = 'cancelling';
      return { json: batchJson(batch) };
    });
  }
}

const noCompletion: Completion = { choices: [], usage: {} };

/** The answer of a fault, as a line of a batch tells it. */
function caught(fault: (typeof faults)[string], good: Completion) {
  let status = 200;
  let text = '';
  const response = {
    writeHead: (code: number) => {
      status = code;
      return response;
    },
    end: (body: string) => void (text = body),
  };
  fault.answer(response as unknown as ServerResponse, good);
  return { status, json: JSON.parse(text) as unknown };
}

function resultOf(name: string, status: number, body: unknown): string {
  const response = { status_code: status, request_id: `req_${name}`, body };
  return `${JSON.stringify({ id: `line_${name}`, custom_id: name, response, error: null })}\n`;
}

function expired({ custom_id: name }: Line): string {
  const error = { code: 'batch_expired', message: 'This request could not be executed in time.' };
  return `${JSON.stringify({ id: `line_${name}`, custom_id: name, response: null, error })}\n`;
}

function linesOf(content: Buffer): readonly Line[] | string {
  try {
    return content
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  } catch {
    return 'invalid_json_line';
  }
}

function problemsOf({ models }: BatchContext, lines: readonly Line[]): readonly object[] {
  if (lines.length > maxLines) return [problem('too_many_tasks')];
  if (new Set(lines.map((line) => line.custom_id)).size < lines.length) {
    return [problem('duplicate_custom_id')];
  }
  if (new Set(lines.map((line) => line.body.model)).size > 1) return [problem('mismatched_model')];
  return lines.every((line) => models.includes(line.body.model))
    ? []
    : [problem('model_not_found')];
}

function problem(code: string): object {
  return { code, message: `${code} here`, line: null, param: null };
}

function refusal(code: string, message: string): object {
  return { error: { code, message, type: 'invalid_request_error', param: null } };
}

function fileJson({ id, name, purpose, content }: StoredFile): object {
  const rest = { object: 'file', created_at: 0, status: 'processed' };
  return { id, filename: name, purpose, bytes: content.length, ...rest };
}

function batchJson(batch: Batch): object {
  const { id, status, input, output, errors, problems, metadata, counts } = batch;
  return {
    id,
    object: 'batch',
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    created_at: 0,
    status,
    input_file_id: input,
    output_file_id: output,
    error_file_id: errors,
    errors: problems.length > 0 ? { object: 'list', data: problems } : null,
    metadata,
    request_counts: counts,
  };
}

/** Newest first, as the API lists them. */
function page(all: readonly Batch[], query: URLSearchParams): object {
  const newest = all.toReversed();
  const after = newest.findIndex(({ id }) => id === query.get('after'));
  const limit = Number(query.get('limit') ?? 20);
  const data = newest.slice(after + 1, after + 1 + limit).map(batchJson);
  return { object: 'list', data, has_more: after + 1 + limit < newest.length };
}

async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Readonly<Record<string, unknown>>;
}
