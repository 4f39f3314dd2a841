import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { temporaryFolder } from '../temporary_folder.js';
import { loadTestModule, modulePath, skipWithoutModule } from './test_module.js';
import type { TestModule } from './test_module.js';

function printThreads(environment: Record<string, string>) {
  const script = `const addon = require(${JSON.stringify(modulePath)});
    process.stdout.write(String(addon.cpuInfo().threads))`;
  return spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
}

describe('processor and threads', { skip: skipWithoutModule }, () => {
  let addon: TestModule;
  before(() => {
    addon = loadTestModule();
  });

  test('the CPU level agrees with the kernel on what it may use', () => {
    const info = addon.cpuInfo();
    const kernel = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
    const flags = /^flags\s*:(.*)$/m.exec(kernel)?.[1];
    const has = (flag: string): boolean => ` ${flags} `.includes(` ${flag} `);
    if (flags !== undefined) {
      assert.equal(info.avx2, has('avx2') && has('fma') && has('f16c'));
      assert.equal(info.bf16, has('avx512_bf16'));
      assert.equal(info.amx, has('amx_bf16') && has('amx_int8') && has('amx_tile'));
    }
    assert.equal(info.level === 'avx512', info.avx512);
    assert.equal(info.affinity, availableParallelism());
  });

  test('a cgroup quota is the least along the path, in both versions', async (t) => {
    const root = await temporaryFolder(t);
    const cgroup = (text: string): string => {
      writeFileSync(join(root, 'cgroup'), text);
      return join(root, 'cgroup');
    };
    const put = (folder: string, file: string, text: string): void => {
      mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(join(root, folder, file), text);
    };
    put('a', 'cpu.max', '150000 100000\n');
    put('a/b', 'cpu.max', 'max 100000\n');
    assert.equal(addon.cgroupQuota(cgroup('0::/a/b\n'), root), 1.5);
    assert.equal(addon.cgroupQuota(cgroup('0::/gone/b\n'), root), null);
    put('.', 'cpu.max', '50000 100000\n');
    assert.equal(addon.cgroupQuota(cgroup('0::/gone/b\n'), root), 0.5);
    put('cpu,cpuacct/c', 'cpu.cfs_quota_us', '25000\n');
    put('cpu,cpuacct/c', 'cpu.cfs_period_us', '100000\n');
    const both = '4:cpu,cpuacct:/c\n3:cpuset:/a\n0::/\n';
    assert.equal(addon.cgroupQuota(cgroup(both), root), 0.25);
    put('cpu,cpuacct/c', 'cpu.cfs_quota_us', '-1\n');
    assert.equal(addon.cgroupQuota(cgroup('4:cpu,cpuacct:/c\n'), root), null);
    assert.equal(addon.cgroupQuota(cgroup('nonsense\n:\n'), root), null);
    assert.equal(addon.cgroupQuota(join(root, 'missing'), root), null);
  });

  test('one thread count reaches LibTorch, OpenMP and our kernels, from the next job on', async () => {
    const configured = addon.cpuInfo().threads;
    for (const count of [1, 3, configured]) {
      await addon.setThreads(count);
      assert.deepEqual(await addon.threadState(), { ours: count, libtorch: count, openmp: count });
      assert.equal(addon.cpuInfo().threads, count);
    }
  });

  test('a thread count is an integer from 1 to 1024', () => {
    for (const count of [0, 1025, 1.5, Number.NaN]) {
      assert.throws(() => addon.setThreads(count), RangeError);
    }
    assert.equal(addon.parseThreads('1024'), 1024);
    for (const text of ['', '0', '1025', '2x', '-1', ' 2', '99999']) {
      assert.throws(() => addon.parseThreads(text), { name: 'RangeError' });
    }
  });

  test('SIMGPT_THREADS sets the count, and a bad one is refused by name', () => {
    assert.equal(printThreads({ SIMGPT_THREADS: '5' }).stdout, '5');
    const { status, stderr } = printThreads({ SIMGPT_THREADS: 'many' });
    assert.notEqual(status, 0);
    assert.match(
      stderr,
      /RangeError: expected SIMGPT_THREADS to be an integer from 1 to 1024, received 'many'/,
    );
  });
});
