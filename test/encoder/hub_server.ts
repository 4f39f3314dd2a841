import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A file of the served repository; `lfs` ones are redirected to a second origin, as the hub does. */
export interface ServedFile {
  readonly content: Uint8Array;
  readonly lfs: boolean;
}

export interface Served {
  name: string;
  commit: string;
  files: Record<string, ServedFile>;
  /** Rows added to the listing as they are. */
  extraRows: unknown[];
}

/** What the server does wrong; each is read at every request. */
export interface Faults {
  /** Destroys the connection after so many bytes of a body, `cuts` times. */
  cutAfter: number;
  cuts: number;
  /** Changes the bytes that are sent. */
  alter: ((content: Uint8Array, path: string) => Uint8Array) | undefined;
  ignoreRange: boolean;
  /** Where LFS files are redirected to; undefined: the second origin. */
  redirectTo: string | undefined;
  status: number | undefined;
}

export interface SeenRequest {
  readonly origin: 'hub' | 'cdn';
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export interface HubServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly served: Served;
  readonly faults: Faults;
  readonly requests: SeenRequest[];
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function gitSha1(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function sendJson(response: ServerResponse, value: unknown, headers: object = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function listing(served: Served): unknown[] {
  const rows = Object.entries(served.files).map(([path, { content, lfs }]) => ({
    type: 'file',
    path,
    size: content.length,
    oid: gitSha1(content),
    ...(lfs && { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } }),
  }));
  return [...rows, ...served.extraRows];
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  file: ServedFile,
  path: string,
  faults: Faults,
): void {
  const total = file.content.length;
  const content = faults.alter?.(file.content, path) ?? file.content;
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const probe = request.headers.range === 'bytes=0-0';
  const partial = range !== null && (probe || !faults.ignoreRange);
  const begin = partial ? Number(range[1]) : 0;
  const end = partial && range[2] !== '' ? Number(range[2]) + 1 : total;
  const body = content.subarray(begin, end);
  response.writeHead(partial ? 206 : 200, {
    etag: `"${file.lfs ? sha256(file.content) : gitSha1(file.content)}"`,
    'content-length': body.length,
    ...(partial && { 'content-range': `bytes ${begin}-${end - 1}/${total}` }),
  });
  if (faults.cuts > 0 && !probe && body.length > faults.cutAfter) {
    faults.cuts -= 1;
    response.write(body.subarray(0, faults.cutAfter), () => response.destroy());
    return;
  }
  response.end(body);
}

function findFile(served: Served, path: string): ServedFile | undefined {
  return Object.hasOwn(served.files, path) ? served.files[path] : undefined;
}

/** Speaks the parts of the hub's protocol that a download uses, on two loopback origins. */
export async function startHubServer(served: Served): Promise<HubServer> {
  const faults: Faults = {
    cutAfter: 0,
    cuts: 0,
    alter: undefined,
    ignoreRange: false,
    redirectTo: undefined,
    status: undefined,
  };
  const requests: SeenRequest[] = [];
  const note = (origin: 'hub' | 'cdn', request: IncomingMessage): string => {
    const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '');
    const { range, authorization } = request.headers;
    requests.push({ origin, path, range, authorization });
    return path;
  };
  const cdn = createServer((request, response) => {
    const path = note('cdn', request).slice(1);
    const file = findFile(served, path);
    if (file === undefined) response.writeHead(404).end();
    else sendBytes(request, response, file, path, faults);
  });
  const cdnOrigin = await listen(cdn);
  const answer = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const { name, commit } = served;
    const prefix = `/${name}/resolve/${commit}/`;
    const wanted = path.startsWith(prefix) ? path.slice(prefix.length) : '';
    const file = findFile(served, wanted);
    if (faults.status !== undefined) response.writeHead(faults.status).end();
    else if (path.startsWith(`/api/models/${name}/revision/`)) {
      sendJson(response, { _id: '1', id: name, sha: commit, lastModified: '2026-01-01' });
    } else if (path === `/api/models/${name}/tree/${commit}`) sendJson(response, listing(served));
    else if (file === undefined) response.writeHead(404).end();
    else if (!file.lfs) sendBytes(request, response, file, wanted, faults);
    else {
      const location = faults.redirectTo ?? `${cdnOrigin}/${encodeURIComponent(wanted)}`;
      response.writeHead(302, { location, 'x-linked-size': file.content.length }).end();
    }
  };
  const hub = createServer((request, response) => answer(note('hub', request), request, response));
  const endpoint = await listen(hub);
  return {
    endpoint,
    served,
    faults,
    requests,
    [Symbol.asyncDispose]: async () => {
      for (const server of [hub, cdn]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
