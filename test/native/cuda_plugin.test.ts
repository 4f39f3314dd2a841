import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { repoRoot } from '../shared_data.js';

const plugin = join(repoRoot, 'build/Release/simgpt_cuda.so');
// Looks for the plugin beside itself, as the addon does, and says why a device is not used.
const driver = join(repoRoot, 'build/Release/simgpt_gpu_mean_pool');
const skip =
  existsSync(plugin) && existsSync(driver)
    ? false
    : 'the CUDA plugin is not built (SIMGPT_COMPILE_CUDA=1)';

const sandbox = mkdtempSync(join(tmpdir(), 'simgpt-cuda-'));
after(() => rmSync(sandbox, { recursive: true, force: true }));

function check(program: string) {
  return spawnSync(program, ['--check'], { encoding: 'utf8' });
}

/** Runs the driver beside a plugin of the given bytes, or none. */
function withPlugin(bytes: Buffer | undefined): string {
  const program = join(sandbox, 'driver');
  copyFileSync(driver, program);
  const path = join(sandbox, 'simgpt_cuda.so');
  rmSync(path, { force: true });
  if (bytes !== undefined) {
    writeFileSync(path, bytes);
  }
  const { status, stdout } = check(program);
  assert.equal(status, 0, 'the CPU twin answers all the same');
  return /^cuda skipped: (.*)$/m.exec(stdout)?.[1] ?? '';
}

/** The real plugin with one of its strings exchanged for another of the same length. */
function altered(from: string | RegExp, to: (found: string) => string): Buffer {
  const text = readFileSync(plugin, 'latin1');
  const found = new RegExp(from).exec(text)?.[0];
  assert.ok(found !== undefined, `${String(from)} is in the plugin`);
  return Buffer.from(text.replaceAll(found, to(found)), 'latin1');
}

describe('the CUDA plugin', { skip }, () => {
  test('mean pooling with unit length agrees with float64 at sizes that no tile divides', () => {
    const { status, stdout } = check(driver);
    assert.equal(status, 0, stdout);
    const answers = stdout.match(/largest difference .*$/gm) ?? [];
    assert.ok(answers.length >= 16);
    assert.ok(answers.every((line) => line.endsWith(' ok')));
  });

  test('a missing plugin is one error that says how to build it', () => {
    assert.match(withPlugin(undefined), /simgpt_cuda\.so is not built: .*SIMGPT_COMPILE_CUDA=1/);
  });

  test('a file that is no library, or has no entry point, is refused', () => {
    assert.match(withPlugin(Buffer.from('not a library')), /the plugin cannot be loaded: /);
    const renamed = altered('simgpt_cuda_plugin', () => 'simgpt_cuda_plugon');
    assert.match(withPlugin(renamed), /has no simgpt_cuda_plugin/);
  });

  test('a plugin for another LibTorch, C++ ABI or source is refused by what differs', () => {
    const other = withPlugin(altered(/\d\.\d\d\.\d(?=\0)/, () => '9.99.9'));
    assert.match(other, /the plugin has LibTorch 9\.99\.9 and the addon \d/);
    const abi = withPlugin(altered(/gxx\d{4}-cxx11\d/, () => 'gxx9999-cxx110'));
    assert.match(abi, /the plugin has the C\+\+ ABI gxx9999-cxx110 and the addon gxx/);
    const hash = withPlugin(altered(/(?<=\0)[0-9a-f]{16}(?=\0)/, () => '0123456789abcdef'));
    assert.match(hash, /the plugin has source hash 0123456789abcdef and the addon /);
  });
});
