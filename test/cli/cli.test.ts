import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { repoRoot } from '../shared_data.js';

function simgpt(...args: string[]) {
  return spawnSync(process.execPath, [join(repoRoot, 'bin/simgpt.mjs'), ...args], {
    encoding: 'utf8',
  });
}

test('help and version exit 0 and print on stdout', () => {
  const help = simgpt('--help');
  assert.equal(help.status, 0);
  assert.match(help.stdout, /Usage: simgpt/);
  assert.equal(simgpt('--version').stdout, '0.1.0\n');
});

test('an unknown command or flag exits 2 with a suggestion and prints nothing on stdout', () => {
  const command = simgpt('setpu');
  assert.equal(command.status, 2);
  assert.match(command.stderr, /unknown command 'setpu'\n\(Did you mean setup\?\)/);
  const flag = simgpt('--versoin');
  assert.equal(flag.status, 2);
  assert.match(flag.stderr, /unknown option '--versoin'\n\(Did you mean --version\?\)/);
  assert.equal(command.stdout + flag.stdout, '');
});

test('no command at all is usage', () => {
  assert.equal(simgpt().status, 2);
});

test('an escape sequence in an argument does not reach the terminal', () => {
  const { stderr, status } = simgpt('\u001b[31mevil\u0007');
  assert.equal(status, 2);
  assert.match(stderr, /unknown command 'evil'/);
});
