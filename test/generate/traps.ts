// Servers that try to get at the key: redirects, TLS with a certificate of nobody, a proxy that notes
// all it sees. Certificates are made when a test starts and are worth nothing.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { join } from 'node:path';

export interface Listening extends AsyncDisposable {
  readonly port: number;
  /** What was read: of a server the headers of each request, of a proxy its bytes. */
  readonly seen: string[];
}

async function listening(server: Server | TcpServer, seen: string[]): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers each request as told, and notes its headers. */
export function startServer(answer: RequestListener): Promise<Listening> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
    answer(request, response);
  });
  return listening(server, seen);
}

export interface Certificate {
  readonly path: string;
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** A self-signed certificate for a name; undefined where there is no openssl. */
export function makeCertificate(folder: string, name: string): Certificate | undefined {
  const [key, path] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const what = `-subj /CN=${name} -addext subjectAltName=DNS:${name} -keyout ${key} -out ${path}`;
  const kind = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';
  const { status } = spawnSync('openssl', `${kind} ${what}`.split(' '), { stdio: 'ignore' });
  if (status !== 0) return undefined;
  return { path, key: readFileSync(key), cert: readFileSync(path) };
}

export function startTlsServer(
  certificate: Certificate,
  answer: RequestListener,
): Promise<Listening> {
  const seen: string[] = [];
  const server = createTlsServer(certificate, (request, response) => {
    seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
    answer(request, response);
  });
  return listening(server, seen);
}

/** Speaks no protocol: takes what comes, says its bytes, and closes. */
export function startTcpServer(says: string): Promise<Listening> {
  const seen: string[] = [];
  const server = createTcpServer((socket) => {
    socket.on('data', (bytes) => {
      seen.push(bytes.toString('latin1'));
      socket.end(says);
    });
  });
  return listening(server, seen);
}

/** A proxy that tunnels, and notes every byte that passes, in clear or not. */
export function startProxy(): Promise<Listening> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
    response.writeHead(502).end();
  });
  server.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url} ${JSON.stringify(request.headers)}`);
    const [host, port] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.on('data', (bytes: Buffer) => seen.push(bytes.toString('latin1')));
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [upstream, socket]) end.on('error', () => end.destroy());
  });
  return listening(server, seen);
}
