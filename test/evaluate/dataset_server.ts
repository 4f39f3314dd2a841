import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DatasetServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly requests: string[];
}

/** Speaks what a download of small data-set files needs of the hub, on the loopback. */
export async function startDatasetServer(
  filesOf: (repo: string) => Readonly<Record<string, Uint8Array>>,
): Promise<DatasetServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').split('?')[0]!);
    requests.push(path);
    const tree = /^\/api\/datasets\/(mteb\/[\w-]+)\/tree\/[0-9a-f]{40}$/.exec(path);
    if (tree !== null) {
      const rows = Object.entries(filesOf(tree[1]!)).map(([name, content]) => ({
        type: 'file',
        path: name,
        size: content.length,
        oid: gitHash(content),
      }));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rows));
      return;
    }
    const file = /^\/datasets\/(mteb\/[\w-]+)\/resolve\/[0-9a-f]{40}\/(.+)$/.exec(path);
    const content = file === null ? undefined : filesOf(file[1]!)[file[2]!];
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const begin = Number(range?.[1] ?? 0);
    const end = Math.min(Number(range?.[2] || content.length - 1) + 1, content.length);
    response.writeHead(range === null ? 200 : 206, {
      etag: `"${gitHash(content)}"`,
      'content-length': end - begin,
      ...(range && { 'content-range': `bytes ${begin}-${end - 1}/${content.length}` }),
    });
    response.end(content.subarray(begin, end));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function gitHash(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}
