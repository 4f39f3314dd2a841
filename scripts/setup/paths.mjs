import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setupError } from './run.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
export const version = manifest.version;

/** The tarball holds compiled TypeScript and no sources: nothing to install or compile there. */
export const isCheckout = existsSync(join(root, 'ts/tsconfig.json'));

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

/**
 * An installed package, in the nearest node_modules that has it: npm may have put it above ours.
 * @returns {{ dir: string, version: string, bin: Record<string, string> }}
 */
export function installedPackage(name) {
  for (let folder = root; ; folder = dirname(folder)) {
    const dir = join(folder, 'node_modules', name);
    if (existsSync(join(dir, 'package.json'))) {
      const { version: found, bin } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
      return { dir, version: found, bin: typeof bin === 'string' ? { [name]: bin } : (bin ?? {}) };
    }
    if (folder === dirname(folder)) {
      throw setupError(`expected the package ${name} in node_modules, found none. Run: npm ci`);
    }
  }
}

/** The script behind a package's command. */
export function packageScript(name, command = name) {
  const { dir, bin } = installedPackage(name);
  return join(dir, bin[command]);
}
