import assert from 'node:assert/strict';
import { createServer, request as sendRequest } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { refuses, scene } from './hub_scene.js';

interface Proxy extends AsyncDisposable {
  readonly address: string;
  readonly targets: string[];
}

/** A proxy on loopback that takes both forms, CONNECT and whole addresses, and notes the targets. */
async function startProxy(): Promise<Proxy> {
  const targets: string[] = [];
  const server: Server = createServer((incoming, outgoing) => {
    targets.push(new URL(incoming.url ?? '').host);
    const { method, headers } = incoming;
    sendRequest(incoming.url ?? '', { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    }).end();
  });
  server.on('connect', (incoming, socket) => {
    targets.push(incoming.url ?? '');
    const [host, port] = (incoming.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [upstream, socket]) end.on('error', () => end.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.unref();
      await new Promise((resolve) => server.close(() => resolve(undefined))).catch(() => undefined);
    },
  };
}

test('HTTP_PROXY carries every request, and NO_PROXY names what goes past it', async () => {
  await using opened = await scene();
  await using proxy = await startProxy();
  process.env['HTTP_PROXY'] = proxy.address;
  try {
    await opened.resolve();
    assert.ok(proxy.targets.includes(new URL(opened.server.endpoint).host), proxy.targets.join());
    const seen = proxy.targets.length;
    process.env['NO_PROXY'] = '127.0.0.1';
    await opened.resolve({ revision: 'a'.repeat(40) });
    assert.equal(proxy.targets.length, seen);
    delete process.env['NO_PROXY'];
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:9';
    await refuses(
      opened.resolve({ revision: 'next' }),
      'downloadFailed',
      /the hub could not be asked/,
    );
  } finally {
    delete process.env['NO_PROXY'];
  }
});
