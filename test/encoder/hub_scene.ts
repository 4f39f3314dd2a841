import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { afterEach } from 'node:test';
import { resolveModel } from '#dist/encoder/hub.js';
import type { ResolveOptions, ResolvedModel } from '#dist/encoder/hub.js';
import { SimgptError } from '#dist/errors.js';
import type { ErrorCode } from '#dist/errors.js';
import { startHubServer } from './hub_server.js';
import type { HubServer, ServedFile } from './hub_server.js';
import { sentenceFiles, temporaryFolder } from './model_folder.js';
import type { TemporaryFolder } from './model_folder.js';

export const commit = 'a'.repeat(40);
export const name = 'team/tiny-model';
const variables = [
  'HF_ENDPOINT',
  'HF_HUB_OFFLINE',
  'HF_TOKEN',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'http_proxy',
  'https_proxy',
];
for (const variable of variables) delete process.env[variable];
process.env['HF_HUB_DISABLE_IMPLICIT_TOKEN'] = '1';

afterEach(() => {
  for (const variable of variables) delete process.env[variable];
});

export const weights = randomBytes(300_000);

export function modelFiles(): Record<string, ServedFile> {
  const text = (value: unknown): ServedFile => ({
    content: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    lfs: false,
  });
  const files = Object.entries(sentenceFiles).map(([path, value]) => [path, text(value)] as const);
  return {
    ...Object.fromEntries(files),
    'model.safetensors': { content: weights, lfs: true },
    'pytorch_model.bin': text('not wanted'),
    'README.md': text('not wanted'),
  };
}

export interface Scene extends AsyncDisposable {
  readonly server: HubServer;
  readonly cache: TemporaryFolder;
  readonly resolve: (options?: ResolveOptions) => Promise<ResolvedModel>;
}

export async function scene(): Promise<Scene> {
  const server = await startHubServer({ name, commit, files: modelFiles(), extraRows: [] });
  const cache = temporaryFolder();
  process.env['HF_ENDPOINT'] = server.endpoint;
  return {
    server,
    cache,
    resolve: (options) => resolveModel(name, { cacheDir: cache.path, ...options }),
    [Symbol.asyncDispose]: async () => {
      cache[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export async function refuses(
  work: Promise<unknown>,
  code: ErrorCode,
  part: RegExp,
): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof SimgptError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, part);
    return true;
  });
}

export async function treeOf(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).sort();
}
