import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { proxySettings } from '#dist/cli/proxy_settings.js';
import { repoRoot } from '../shared_data.js';

interface Report {
  readonly ok: boolean;
  readonly findings: readonly {
    readonly name: string;
    readonly state: string;
    readonly detail: string;
    readonly fix: string | null;
  }[];
}

const sandbox = mkdtempSync(join(tmpdir(), 'simgpt-doctor-'));
after(() => rmSync(sandbox, { recursive: true, force: true }));

function doctor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(repoRoot, 'bin/simgpt.mjs'), 'doctor', ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

test('a working clone has nothing missing and every part is reported', () => {
  const { status, stdout, stderr } = doctor(['--json']);
  const { ok, findings } = JSON.parse(stdout) as Report;
  assert.deepEqual(
    findings.filter(({ state }) => state === 'missing'),
    [],
  );
  assert.deepEqual({ ok, status, stderr }, { ok: true, status: 0, stderr: '' });
  const names = new Set(findings.map(({ name }) => name));
  for (const name of [
    'node',
    'compiler',
    'cmake',
    'libtorch',
    'addon',
    'cpu',
    'threads',
    'cuda',
    'model',
  ]) {
    assert.ok(names.has(name), name);
  }
  const detail = (name: string) => findings.find((finding) => finding.name === name)?.detail ?? '';
  assert.match(detail('libtorch'), /^\d+\.\d+\.\d+ from .*(?:sha256 [0-9a-f]{64}|size and time)/);
  assert.match(detail('addon'), /simgpt\.node \(LibTorch 2\.\d+\.\d+, N-API 9, /);
  assert.match(detail('cpu'), /avx2 (?:yes|no), avx512 .*vnni .*bf16 .*amx (?:yes|no)/);
});

test('what is missing exits 1 with its fix', () => {
  const { status, stdout } = doctor([], { SIMGPT_LIBTORCH: sandbox });
  assert.equal(status, 1);
  assert.match(stdout, /^MISSING {2}libtorch .*expected SIMGPT_LIBTORCH to name a folder/m);
  assert.match(stdout, /fix: unset or correct SIMGPT_LIBTORCH/);
});

test('the report names the proxy in force and none of its credentials', () => {
  const env = {
    https_proxy: 'http://alice:p/a@ss@proxy.example:3128',
    HTTP_PROXY: 'bob:secret@proxy.example',
    NO_PROXY: 'localhost,.example',
  };
  assert.deepEqual(proxySettings(env), [
    'https_proxy=http://***@proxy.example:3128',
    'HTTP_PROXY=***@proxy.example',
    'NO_PROXY=localhost,.example',
  ]);
  const { stdout } = doctor(['--json'], env);
  assert.match(stdout, /proxy\.example/);
  assert.doesNotMatch(stdout, /alice|secret|ss@/);
});
