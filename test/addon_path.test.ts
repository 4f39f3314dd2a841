import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { repoRoot } from './shared_data.js';

const sandbox = mkdtempSync(join(tmpdir(), 'simgpt-addon-path-'));
after(() => rmSync(sandbox, { recursive: true, force: true }));

test('the addon is looked for in the package, then in the per-user cache', async () => {
  const copy = join(sandbox, 'package');
  mkdirSync(join(copy, 'dist'), { recursive: true });
  copyFileSync(join(repoRoot, 'dist/addon_path.js'), join(copy, 'dist/addon_path.js'));
  writeFileSync(join(copy, 'package.json'), '{ "type": "module", "version": "1.2.3" }');
  const { addonPath } = (await import(pathToFileURL(join(copy, 'dist/addon_path.js')).href)) as {
    readonly addonPath: (env: NodeJS.ProcessEnv) => string;
  };

  const local = join(copy, 'build/Release/simgpt.node');
  const env = { XDG_CACHE_HOME: join(sandbox, 'cache') };
  assert.equal(addonPath(env), local, 'where it would be built');
  const cached = join(sandbox, 'cache/simgpt/build/1.2.3/Release/simgpt.node');
  mkdirSync(join(cached, '..'), { recursive: true });
  writeFileSync(cached, '');
  assert.equal(addonPath(env), cached);
  mkdirSync(join(local, '..'), { recursive: true });
  writeFileSync(local, '');
  assert.equal(addonPath(env), local);
});
