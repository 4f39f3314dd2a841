import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { repoRoot } from '../shared_data.js';

const sandbox = mkdtempSync(join(tmpdir(), 'simgpt-setup-'));
after(() => rmSync(sandbox, { recursive: true, force: true }));

function setup(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(repoRoot, 'scripts/setup.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

test('when all is in place nothing is done and nothing printed, in under two seconds', (t) => {
  const state = JSON.parse(setup(['--check', '--json']).stdout) as { addon: { current: boolean } };
  if (!state.addon.current) {
    t.skip('this addon was not built by set-up');
    return;
  }
  const started = performance.now();
  const { status, stdout, stderr } = setup([]);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  assert.ok(performance.now() - started < 2000);
});

test('a LibTorch folder that is none is refused in one sentence', () => {
  const { status, stdout, stderr } = setup([], { SIMGPT_LIBTORCH: sandbox });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^simgpt: expected SIMGPT_LIBTORCH to name a folder with .*\n$/);
});

test('a LibTorch older than the pinned release is refused by its number', () => {
  const torch = join(sandbox, 'old/torch');
  mkdirSync(join(torch, 'include/torch/headeronly'), { recursive: true });
  mkdirSync(join(torch, 'lib'));
  writeFileSync(join(torch, 'lib/libtorch_cpu.so'), '');
  const lines = ['MAJOR 2', 'MINOR 8', 'PATCH 1'].map((part) => `#define TORCH_VERSION_${part}\n`);
  writeFileSync(join(torch, 'include/torch/headeronly/version.h'), lines.join(''));
  const { status, stderr } = setup(['--only', 'libtorch'], { SIMGPT_LIBTORCH: join(torch, '..') });
  assert.equal(status, 1);
  assert.match(stderr, /expected LibTorch 2\.11 or newer in SIMGPT_LIBTORCH, received 2\.8\.1/);
});

test('missing tools are named with the command that installs them', () => {
  const env = { PATH: sandbox, CXX: 'none', XDG_CACHE_HOME: join(sandbox, 'cache') };
  const check = setup(['--check', '--json'], env);
  const { missing, install } = JSON.parse(check.stdout) as { missing: string[]; install: string };
  assert.deepEqual(missing, ['compiler', 'cmake', 'make', 'python', 'pip']);
  assert.match(install, /g\+\+|gcc/);
  const fetch = setup(['--only', 'libtorch'], env);
  assert.equal(fetch.status, 1);
  assert.match(
    fetch.stderr,
    /expected Python 3, pip to fetch LibTorch, found none\. Install with: /,
  );
});

test('an unknown option or part exits 2', () => {
  assert.equal(setup(['--bogus']).status, 2);
  const { status, stderr } = setup(['--only', 'everything']);
  assert.equal(status, 2);
  assert.match(stderr, /expected --only libtorch, native, ts, received 'everything'/);
});
