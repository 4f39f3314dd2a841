import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SimgptError } from '#dist/errors.js';
import { native } from '#dist/native.js';
import { repoRoot } from '../shared_data.js';
import { addonPath, encoderSpec } from './test_module.js';

const skip = existsSync(addonPath) ? false : 'the addon is not built';
const hasTool = (tool: string): boolean => spawnSync(tool, ['--version']).status === 0;

describe('the shipped addon', { skip }, () => {
  test('it says what it was built from', () => {
    const info = native().buildInfo();
    assert.match(info.libtorch, /^\d+\.\d+\.\d+/);
    assert.equal(info.napiVersion, 9);
    assert.match(info.compiler, /\d+\.\d+/);
  });

  test('it holds nothing of the test module', () => {
    const names = Object.keys(native());
    for (const name of ['setFault', 'runTiles', 'configureEncoder', 'TestTensor']) {
      assert.ok(!names.includes(name), name);
    }
  });

  test('a missing model file is a SimgptError that names it', async () => {
    const path = join(repoRoot, 'no such folder/tokenizer.json');
    const spec = { ...encoderSpec, tokenizer: { kind: 'tokenizerJson', path } as const };
    await assert.rejects(native().loadEncoder(spec, 0), (error: unknown) => {
      assert.ok(error instanceof SimgptError);
      assert.equal(error.code, 'fileNotFound');
      assert.ok(error.message.includes('no such folder'));
      return true;
    });
  });

  test('a worker loads it, uses it and ends; another one follows', async () => {
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      const addon = require(workerData);
      addon.setThreads(addon.cpuInfo().threads).then(() => parentPort.postMessage('done'));`;
    for (let i = 0; i < 2; ++i) {
      const worker = new Worker(script, { eval: true, workerData: addonPath });
      // All listeners at once: the last message and the exit may come in one turn of the event loop.
      const messages: unknown[] = [];
      worker.on('message', (message) => messages.push(message));
      const code = await new Promise((done, fail) => {
        worker.once('exit', done);
        worker.once('error', fail);
      });
      assert.deepEqual(messages, ['done']);
      assert.equal(code, 0);
    }
  });

  test(
    'it references neither the unpickler nor TorchScript loading',
    { skip: hasTool('nm') ? false : 'no nm' },
    () => {
      const { stdout, status } = spawnSync('nm', ['-D', '--undefined-only', addonPath], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      });
      assert.equal(status, 0);
      assert.ok(stdout.includes('napi_'), 'nm lists the symbols');
      const forbidden = /unpickle|pickle_load|torch3jit|torch4load|caffe29serialize|dlopen_jit/i;
      assert.deepEqual(
        stdout.split('\n').filter((line) => forbidden.test(line)),
        [],
      );
    },
  );

  test(
    'the boundary does not compile without the switches that keep exceptions from aborting',
    { skip: hasTool('c++') ? false : 'no c++' },
    () => {
      const all = [
        'NAPI_VERSION=9',
        'NODE_ADDON_API_CPP_EXCEPTIONS_ALL',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ];
      for (const missing of all) {
        const defines = all.filter((name) => name !== missing).map((name) => `-D${name}`);
        const header = join(repoRoot, 'native/boundary/napi.h');
        const { status, stderr } = spawnSync('c++', ['-E', '-x', 'c++', ...defines, header], {
          encoding: 'utf8',
          maxBuffer: 1 << 28,
        });
        assert.notEqual(status, 0);
        assert.match(stderr, /error: #error "?compile with/);
      }
    },
  );
});
