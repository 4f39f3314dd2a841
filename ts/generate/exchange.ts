import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { Agent, EnvHttpProxyAgent, request } from 'undici';
import type { Dispatcher } from 'undici';

/** Bounds of one HTTP call to an LLM server. */
export const exchangeLimits = {
  bodyBytes: 8 * 1024 * 1024,
  headerBytes: 64 * 1024,
  callMs: 120_000,
  idleMs: 30_000,
} as const;

export type ExchangeLimits = { readonly [name in keyof typeof exchangeLimits]: number };

/** How a call ended before there was a whole answer. */
export type FailureReason =
  | 'cancelled'
  | 'resolve'
  | 'refused'
  | 'tls'
  | 'timeout'
  | 'idle'
  | 'cut'
  | 'bodyTooLarge'
  | 'headersTooLarge'
  | 'encoding';

/** One HTTP call, whatever became of it; `sent` is false only where no byte of it left. */
export type Exchange =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: ReadonlyMap<string, string>;
      readonly body: Uint8Array;
    }
  | { readonly kind: 'failed'; readonly sent: boolean; readonly reason: FailureReason };

export interface Outgoing {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal | undefined;
  /** Takes the body of a success in parts, so that a long one is never in memory; may wait. */
  readonly sink?: ((part: Uint8Array) => Promise<void> | void) | undefined;
}

/** Whether the address names this machine, so that what is sent to it leaves over no wire. */
export function isLoopback(url: URL): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
}

/**
 * The connections to one server. A plain-http address never goes through a proxy, which would read
 * the key; an https one is tunnelled by the proxy that HTTPS_PROXY and NO_PROXY name.
 */
export function createDispatcher(baseUrl: URL, limits: ExchangeLimits): Dispatcher {
  const options = {
    maxHeaderSize: limits.headerBytes,
    // Our own two clocks bound the wait; these would cut a slow answer before its time.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: Math.min(limits.callMs, 10_000) },
  };
  return baseUrl.protocol === 'https:' ? new EnvHttpProxyAgent(options) : new Agent(options);
}

class ExchangeFailure extends Error {
  readonly reason: FailureReason;

  constructor(reason: FailureReason) {
    super(reason);
    this.reason = reason;
  }
}

/** Sends one request, follows no redirect, and never reads beyond the limits. Does not throw. */
export async function exchange(
  outgoing: Outgoing,
  dispatcher: Dispatcher,
  limits: ExchangeLimits,
): Promise<Exchange> {
  if (outgoing.signal?.aborted === true) return failed(false, 'cancelled');
  const watchdog = new AbortController();
  const stop = (reason: FailureReason) => () => watchdog.abort(new ExchangeFailure(reason));
  const cancel = stop('cancelled');
  const deadline = setTimeout(stop('timeout'), limits.callMs);
  outgoing.signal?.addEventListener('abort', cancel, { once: true });
  try {
    const response = await request(outgoing.url, {
      method: outgoing.method,
      headers: outgoing.headers,
      body: bodyOf(outgoing),
      dispatcher,
      signal: watchdog.signal,
    });
    const headers = headerMap(response.headers);
    const isPlain = response.statusCode === 200 && !headers.has('content-encoding');
    const sink = isPlain ? outgoing.sink : undefined;
    const raw = await readBody(response.body, limits, stop('idle'), sink);
    const body = await decode(raw, headers.get('content-encoding'), limits.bodyBytes);
    return { kind: 'answered', status: response.statusCode, headers, body };
  } catch (error) {
    const ours = watchdog.signal.aborted ? (watchdog.signal.reason as unknown) : error;
    return ours instanceof ExchangeFailure ? failed(true, ours.reason) : failureOf(ours);
  } finally {
    clearTimeout(deadline);
    outgoing.signal?.removeEventListener('abort', cancel);
  }
}

function bodyOf({ method, body }: Outgoing): string | Readable | null {
  if (method === 'GET') return null;
  return typeof body === 'string' ? body : Readable.from(body);
}

function failed(sent: boolean, reason: FailureReason): Exchange {
  return { kind: 'failed', sent, reason };
}

async function readBody(
  body: AsyncIterable<Buffer>,
  limits: ExchangeLimits,
  onIdle: () => void,
  sink: Outgoing['sink'],
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const idle = setTimeout(onIdle, limits.idleMs);
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > limits.bodyBytes) throw new ExchangeFailure('bodyTooLarge');
      if (sink === undefined) chunks.push(chunk);
      else await sink(chunk);
      idle.refresh();
    }
  } finally {
    clearTimeout(idle);
  }
  return Buffer.concat(chunks);
}

const decoders = new Map([
  ['gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

/** We ask for plain bytes; a server that compresses all the same is decoded up to the same limit. */
async function decode(
  raw: Buffer,
  encoding: string | undefined,
  maxOutputLength: number,
): Promise<Uint8Array> {
  if (encoding === undefined || encoding === 'identity') return raw;
  const decoder = decoders.get(encoding.toLowerCase());
  if (decoder === undefined) throw new ExchangeFailure('encoding');
  try {
    return await decoder(raw, { maxOutputLength });
  } catch (error) {
    const tooLarge = codeOf(error) === 'ERR_BUFFER_TOO_LARGE';
    throw new ExchangeFailure(tooLarge ? 'bodyTooLarge' : 'encoding');
  }
}

function headerMap(headers: Readonly<Record<string, string | string[] | undefined>>) {
  const map = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) map.set(name.toLowerCase(), [value].flat().join(', '));
  }
  return map;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const unsent: readonly (readonly [pattern: RegExp, reason: FailureReason])[] = [
  [/^(ENOTFOUND|EAI_[A-Z]+)$/, 'resolve'],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT)$/, 'refused'],
  [/^(CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|ERR_TLS_|ERR_SSL_|EPROTO)/, 'tls'],
];

/** What cannot have reached the server is told by its code; everything else may have been billed. */
function failureOf(error: unknown): Exchange {
  const causes = error instanceof AggregateError ? error.errors : [error];
  const codes = [error, ...causes].map(codeOf).filter((code) => code !== '');
  for (const [pattern, reason] of unsent) {
    if (codes.length > 0 && codes.every((code) => pattern.test(code))) return failed(false, reason);
  }
  return failed(true, codes.includes('UND_ERR_HEADERS_OVERFLOW') ? 'headersTooLarge' : 'cut');
}
