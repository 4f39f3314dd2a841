import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
export const version = manifest.version;

/** The tarball holds compiled TypeScript and no sources: nothing to install or compile there. */
export const isCheckout = existsSync(join(root, 'ts/tsconfig.json'));

const require = createRequire(join(root, 'package.json'));

export function cacheDir() {
  const base = process.env.XDG_CACHE_HOME;
  return join(
    base !== undefined && base.startsWith('/') ? base : join(homedir(), '.cache'),
    'simgpt',
  );
}

/** build/ of the package; the per-user cache where the package folder cannot be written. */
export function buildDir() {
  const local = join(root, 'build');
  try {
    mkdirSync(local, { recursive: true });
    accessSync(local, constants.W_OK);
    return local;
  } catch {
    return join(cacheDir(), 'build', version);
  }
}

/** The folder of an installed package, wherever npm put it, and its version. */
export function installedPackage(name) {
  const path = require.resolve(`${name}/package.json`);
  return { dir: dirname(path), version: JSON.parse(readFileSync(path, 'utf8')).version };
}
