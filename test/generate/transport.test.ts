// 60 ways to lead the key elsewhere (RELIABILITY 7, G9): none of them sees it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { lookup } from 'node:dns';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { loopbackOnly } from '#dist/generate/exchange.js';
import { createProvider } from '#dist/generate/provider.js';
import type { ChatAnswer } from '#dist/generate/provider.js';
import { temporaryFolder } from '../temporary_folder.js';
import {
  makeCertificate,
  startProxy,
  startServer,
  startTcpServer,
  startTlsServer,
} from './traps.js';
import type { Listening } from './traps.js';

const key = 'sk-canary-0f4be1d2a97c';
const forms = [key, Buffer.from(key).toString('base64').slice(0, 24), 'authorization', 'Bearer'];

async function ask(baseUrl: string, apiKey: string | undefined = key): Promise<ChatAnswer> {
  await using provider = createProvider({ baseUrl, apiKey, limits: { callMs: 10_000 } });
  const messages = [{ role: 'user' as const, content: 'hello' }];
  return await provider.chat({ model: 'm', messages, maxOutputTokens: 8 });
}

const completion = {
  id: 'x',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

const answerWell: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completion));
};

function expectNoKey(trap: Listening, what: string): void {
  for (const form of forms) {
    const shown = trap.seen.find((text) => text.toLowerCase().includes(form.toLowerCase()));
    assert.equal(shown, undefined, `${what}: ${form}`);
  }
}

test('no redirect is followed, wherever it leads (36)', async () => {
  await using trap = await startServer(answerWell);
  const to = [
    `http://127.0.0.1:${trap.port}/v1/chat/completions`,
    `//127.0.0.1:${trap.port}/v1/chat/completions`,
    `http://user:pw@127.0.0.1:${trap.port}/`,
    `https://127.0.0.1:${trap.port}/`,
    '/elsewhere',
    'file:///etc/passwd',
  ];
  await using server = await startServer((request, response) => {
    const [, status, at] = /^\/(\d+)\/(\d+)\//.exec(request.url ?? '') ?? [];
    if (status === undefined) return answerWell(request, response);
    response.writeHead(Number(status), { location: to[Number(at)] }).end('{}');
  });
  for (const status of [300, 301, 302, 303, 307, 308]) {
    for (const at of to.keys()) {
      const answer = await ask(`http://127.0.0.1:${server.port}/${status}/${at}/v1`);
      assert.deepEqual([answer.kind, answer.reason], ['notTheApi', 'redirect'], `${status} ${at}`);
    }
  }
  assert.deepEqual(trap.seen, []);
  assert.equal(server.seen.length, 36, 'each was asked once');
});

test('over plain http the key goes to no other machine, whatever it is called (14)', async () => {
  const hosts =
    `10.0.0.1 192.168.1.1 0.0.0.0 example.com localhost.example.com 127.0.0.1.example.com
    [::ffff:10.0.0.1] [fe80::1] localhost. 128.0.0.1 1.127.0.0 user@127.0.0.1 xn--lcalhost-f7a
    localhost%2eexample.com`.split(/\s+/);
  for (const host of hosts) {
    const make = (): unknown => createProvider({ baseUrl: `http://${host}/v1`, apiKey: key });
    assert.throws(
      make,
      (error) => error instanceof RangeError && !error.message.includes(key),
      host,
    );
  }
});

test('a name of this machine that is made to mean another one is not found (3)', async () => {
  const find = (addresses: readonly string[]): Promise<unknown> => {
    const resolve = ((_host: string, _options: object, callback: (...found: unknown[]) => void) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      )) as typeof lookup;
    return new Promise((done) => {
      loopbackOnly(resolve)('localhost', {}, (error, address) => done(error?.code ?? address));
    });
  };
  assert.equal(await find(['10.0.0.1']), 'ENOTFOUND');
  assert.equal(await find(['203.0.113.7', '127.0.0.1']), '127.0.0.1');
  assert.equal(await find([]), 'ENOTFOUND');
  await using server = await startServer(answerWell);
  assert.equal((await ask(`http://localhost:${server.port}/v1`)).kind, 'ok');
});

test('bad TLS is never sent to (5)', async (t) => {
  const folder = await temporaryFolder(t);
  const [self, other] = ['localhost', 'other.example'].map((name) => makeCertificate(folder, name));
  if (self === undefined || other === undefined) return t.skip('needs openssl');
  await using untrusted = await startTlsServer(self, answerWell);
  await using misnamed = await startTlsServer(other, answerWell);
  await using plain = await startServer(answerWell);
  await using rude = await startTcpServer('SSH-2.0-no\r\n');
  await using silent = await startTcpServer('');
  for (const trap of [untrusted, misnamed, plain, rude, silent]) {
    const answer = await ask(`https://localhost:${trap.port}/v1`);
    assert.ok(['notSent', 'unknown'].includes(answer.kind), answer.kind);
    expectNoKey(trap, answer.reason);
  }
  assert.equal((await ask(`https://localhost:${untrusted.port}/v1`)).reason, 'tls');
});

/** One call in a process of its own, which trusts the certificate. */
async function askTrusting(pem: string, baseUrl: string, env: Readonly<Record<string, string>>) {
  const script = `const { createProvider } = await import(process.argv[1]);
    const provider = createProvider({ baseUrl: process.argv[2], apiKey: process.env.KEY });
    const messages = [{ role: 'user', content: 'hello' }];
    const { kind, reason } = await provider.chat({ model: 'm', messages, maxOutputTokens: 8 });
    console.log(kind, reason); process.exit();`;
  const module = import.meta.resolve('#dist/generate/provider.js');
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, module, baseUrl], {
    env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: pem, KEY: key, ...env },
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  return said.trim();
}

test('a proxy tunnels what is encrypted, and sees no key (6)', async (t: TestContext) => {
  const folder = await temporaryFolder(t);
  const self = makeCertificate(folder, 'localhost');
  if (self === undefined) return t.skip('needs openssl');
  await using server = await startTlsServer(self, answerWell);
  await using plain = await startServer(answerWell);
  await using proxy = await startProxy();
  const [https, http] = [
    `https://localhost:${server.port}/v1`,
    `http://localhost:${plain.port}/v1`,
  ];
  const address = `http://127.0.0.1:${proxy.port}`;
  const tried: readonly (readonly [url: string, env: Record<string, string>, tunnels: boolean])[] =
    [
      [https, {}, false],
      [https, { HTTPS_PROXY: address }, true],
      [https, { https_proxy: address }, true],
      [https, { HTTPS_PROXY: address, NO_PROXY: 'localhost' }, false],
      [https, { HTTPS_PROXY: address, NO_PROXY: 'example.com' }, true],
      [http, { HTTP_PROXY: address, HTTPS_PROXY: address }, false],
    ];
  for (const [url, env, tunnels] of tried) {
    proxy.seen.length = 0;
    assert.equal(await askTrusting(self.path, url, env), 'ok ok', JSON.stringify(env));
    assert.equal(proxy.seen.length > 0, tunnels, JSON.stringify(env));
    expectNoKey(proxy, url);
  }
});
