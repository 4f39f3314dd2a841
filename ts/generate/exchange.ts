import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { Agent, EnvHttpProxyAgent } from 'undici';
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

type Lookup = typeof lookup;

/**
 * The connections to one server. What is on this machine is reached directly, and only there: a proxy
 * would read what is sent in plain http, and a name such as `localhost` may be made to mean another
 * machine. Everything else goes by the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name.
 */
export function createDispatcher(baseUrl: URL, limits: ExchangeLimits): Dispatcher {
  const isPlainLocal = baseUrl.protocol === 'http:' && isLoopback(baseUrl);
  const options = {
    maxHeaderSize: limits.headerBytes,
    // Our own two clocks bound the wait; these would cut a slow answer before its time.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: Math.min(limits.callMs, 10_000),
      ...(isPlainLocal ? { lookup: loopbackOnly(lookup) } : {}),
    },
  };
  return isPlainLocal ? new Agent(options) : new EnvHttpProxyAgent(options);
}

/** A look-up that finds addresses of this machine alone. */
export function loopbackOnly(resolve: Lookup): LookupFunction {
  return (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error, found) => {
      const here = (found ?? []).filter(({ address }) => /^(127\.|::1$)/.test(address));
      const first = here[0];
      if (first === undefined) {
        const elsewhere = `expected ${host} to be this machine, received another address`;
        callback(error ?? Object.assign(new Error(elsewhere), { code: 'ENOTFOUND' }), []);
      } else if (options.all === true) callback(null, here);
      else callback(null, first.address, first.family);
    });
  };
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
  const made = await transmit(outgoing, dispatcher, limits);
  if (made.kind === 'failed') return made;
  try {
    const encoding = made.headers.get('content-encoding');
    return { ...made, body: await decode(made.body, encoding, limits.bodyBytes) };
  } catch (error) {
    return failed(true, error instanceof ExchangeFailure ? error.reason : 'encoding');
  }
}

/**
 * The exchange below the body's encoding. Undici's handlers are used as they are: a stream for each
 * of hundreds of small answers a second would cost more than the answers.
 */
function transmit(
  outgoing: Outgoing,
  dispatcher: Dispatcher,
  limits: ExchangeLimits,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const { url, method, headers, signal } = outgoing;
    let controller: Dispatcher.DispatchController | undefined;
    let isOver = false;
    let idle: NodeJS.Timeout | undefined;
    let body: BodyReader | undefined;
    let answered = { status: 0, headers: new Map<string, string>() };

    const end = (made: Exchange): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(deadline);
      clearTimeout(idle);
      signal?.removeEventListener('abort', onAbort);
      resolve(made);
    };
    const giveUp = (reason: FailureReason): void => {
      end(failed(controller !== undefined, reason));
      controller?.abort(new ExchangeFailure(reason));
    };
    const onAbort = (): void => giveUp('cancelled');
    const deadline = setTimeout(() => giveUp('timeout'), limits.callMs);
    signal?.addEventListener('abort', onAbort, { once: true });

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: (started) => {
        // Given up before it had a connection: it is not to leave after all.
        if (isOver) return started.abort(new ExchangeFailure('cancelled'));
        controller = started;
      },
      onResponseStart: (_, status, fields) => {
        if (status < 200) return;
        answered = { status, headers: headerMap(fields) };
        const told = Number(answered.headers.get('content-length') ?? 0);
        if (told > limits.bodyBytes) return giveUp('bodyTooLarge');
        const isPlain = status === 200 && !answered.headers.has('content-encoding');
        body = bodyReader(limits.bodyBytes, isPlain ? outgoing.sink : undefined);
        idle = setTimeout(() => giveUp('idle'), limits.idleMs);
      },
      onResponseData: (reading, chunk) => {
        if (isOver || body === undefined) return;
        idle?.refresh();
        const taken = body.take(chunk);
        if (taken === 'tooLarge') giveUp('bodyTooLarge');
        else if (taken !== undefined) pauseUntil(reading, taken, giveUp);
      },
      onResponseEnd: () => {
        const whole = body?.whole() ?? Buffer.alloc(0);
        end({ kind: 'answered', ...answered, body: whole });
      },
      onResponseError: (_, error) => end(failureOf(error)),
    };
    try {
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method,
          headers,
          body: bodyOf(outgoing),
        },
        handler,
      );
    } catch (error) {
      end(failureOf(error));
    }
  });
}

/** Reads no more until the sink has taken what it was given. */
function pauseUntil(
  reading: Dispatcher.DispatchController,
  taken: Promise<void>,
  giveUp: (reason: FailureReason) => void,
): void {
  reading.pause();
  taken.then(
    () => reading.resume(),
    () => giveUp('cancelled'),
  );
}

interface BodyReader {
  take(chunk: Buffer): Promise<void> | 'tooLarge' | undefined;
  whole(): Buffer;
}

function bodyReader(most: number, sink: Outgoing['sink']): BodyReader {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return {
    take(chunk) {
      bytes += chunk.length;
      if (bytes > most) {
        chunks.length = 0;
        return 'tooLarge';
      }
      if (sink === undefined) {
        chunks.push(chunk);
        return undefined;
      }
      return sink(chunk) ?? undefined;
    },
    whole: () => (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)),
  };
}

function bodyOf({ method, body }: Outgoing): string | Readable | null {
  if (method === 'GET') return null;
  return typeof body === 'string' ? body : Readable.from(body);
}

function failed(sent: boolean, reason: FailureReason): Exchange {
  return { kind: 'failed', sent, reason };
}

const decoders = new Map([
  ['gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

/** We ask for plain bytes; a server that compresses all the same is decoded up to the same limit. */
async function decode(
  raw: Uint8Array,
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
    if (value === undefined) continue;
    map.set(name.toLowerCase(), typeof value === 'string' ? value : value.join(', '));
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
