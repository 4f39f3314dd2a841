import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Where set-up put the addon: build/ of the package or, where that cannot be written, the per-user
 * cache. The same rule as buildDir() of scripts/setup/paths.mjs.
 */
export function addonPath(env: NodeJS.ProcessEnv = process.env): string {
  const local = join(root, 'build/Release/simgpt.node');
  if (existsSync(local)) {
    return local;
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const base = env['XDG_CACHE_HOME'];
  const cache = base?.startsWith('/') === true ? base : join(homedir(), '.cache');
  const cached = join(cache, 'simgpt/build', version, 'Release/simgpt.node');
  return existsSync(cached) ? cached : local;
}
