import { SimgptError } from '../errors.js';

type Fetch = typeof globalThis.fetch;

/** Bounds of one request; a download's body is bounded by the size that its listing states. */
const limits = {
  redirects: 5,
  responseMs: 30_000,
  apiBytes: 16 * 1024 * 1024,
} as const;

export interface HubFetchOptions {
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal | undefined;
}

const proxyVariables = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'];

/** Node's own fetch, or undici's behind the proxy that HTTP(S)_PROXY and NO_PROXY name. */
async function proxiedFetch(): Promise<Fetch> {
  if (!proxyVariables.some((name) => process.env[name])) return globalThis.fetch;
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent();
  return ((input: string, init?: object) =>
    fetch(input, { ...init, dispatcher })) as unknown as Fetch;
}

function isLoopback(url: URL): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
}

/** The token goes to the hub's own origin only, and over plain http to this machine only. */
function mayCarryToken(url: URL, endpoint: string): boolean {
  return url.origin === new URL(endpoint).origin && (url.protocol === 'https:' || isLoopback(url));
}

function nextLocation(response: Response, from: URL): URL {
  const location = response.headers.get('location') ?? '';
  if (!URL.canParse(location, from.href)) {
    throw new SimgptError('downloadFailed', `${from.origin}: expected a redirect with an address`);
  }
  const next = new URL(location, from);
  if (next.protocol !== from.protocol || next.username !== '') {
    throw new SimgptError(
      'downloadFailed',
      `${from.origin}: expected a redirect to ${from.protocol}//, received ${next.origin}`,
    );
  }
  return next;
}

/** Reads a whole body of at most `maxBytes`. */
export async function readBody(response: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    const part = chunk as Uint8Array;
    bytes += part.length;
    if (bytes > maxBytes) {
      throw new SimgptError('downloadFailed', `expected an answer of at most ${maxBytes} bytes`);
    }
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

/**
 * A fetch for the hub's library: redirects are followed by hand (at most 5, same scheme), the token
 * never reaches another origin, headers must come within 30 s, and answers of the API are bounded.
 */
export async function createHubFetch(options: HubFetchOptions): Promise<Fetch> {
  const send = await proxiedFetch();
  const once = async (url: URL, init: RequestInit | undefined): Promise<Response> => {
    const headers = new Headers(init?.headers);
    headers.delete('authorization');
    if (options.token !== undefined && mayCarryToken(url, options.endpoint)) {
      headers.set('authorization', `Bearer ${options.token}`);
    }
    const watchdog = new AbortController();
    const timer = setTimeout(() => watchdog.abort(), limits.responseMs);
    const signals = [watchdog.signal, options.signal].filter((signal) => signal !== undefined);
    try {
      return await send(url.href, {
        ...init,
        headers,
        redirect: 'manual',
        signal: AbortSignal.any(signals),
      });
    } finally {
      clearTimeout(timer);
    }
  };
  const follow = async (input: string, init: RequestInit | undefined): Promise<Response> => {
    let url = new URL(input);
    for (let redirects = 0; ; redirects += 1) {
      const response = await once(url, init);
      if (![301, 302, 303, 307, 308].includes(response.status)) return response;
      await response.body?.cancel();
      if (redirects === limits.redirects) {
        throw new SimgptError(
          'downloadFailed',
          `${url.origin}: expected at most ${limits.redirects} redirects`,
        );
      }
      url = nextLocation(response, url);
    }
  };
  const apiPrefix = `${options.endpoint}/api/`;
  return async (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    const response = await follow(address, init);
    if (!address.startsWith(apiPrefix)) return response;
    const { status, statusText, headers } = response;
    const plain = new Headers(headers);
    for (const name of ['content-encoding', 'content-length']) plain.delete(name);
    return new Response(Uint8Array.from(await readBody(response, limits.apiBytes)), {
      status,
      statusText,
      headers: plain,
    });
  };
}
