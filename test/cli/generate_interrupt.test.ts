import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { startFakeServer } from '../generate/fake_process.js';
import { writeSentences } from '../generate/tiny_run.js';
import { generateArgs, makeScene } from '../soak/generation_scene.js';
import { temporaryFolder } from '../temporary_folder.js';

type Server = Awaited<ReturnType<typeof startFakeServer>>;

/** Starts a run, sends the signals as soon as calls are paid for, and waits for its end. */
async function interrupt(
  args: readonly string[],
  server: Server,
  signals: readonly ('SIGINT' | 'SIGTERM')[],
  calls = 5,
): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close') as Promise<[number | null]>;
  const before = (await server.bill()).calls;
  while ((await server.bill()).calls < before + calls) await nextTurn();
  for (const signal of signals) {
    child.kill(signal);
    // Two signals at once would be one.
    for (let turns = 0; turns < 20; turns += 1) await server.bill();
  }
  const [code] = await ended;
  return { code, stderr };
}

test('Ctrl-C and SIGTERM end a run with 130 and 143, and the same command goes on', async (t) => {
  const root = await temporaryFolder(t);
  const scene = await makeScene(root, 0);
  const input = await writeSentences(root, 500);
  await using server = await startFakeServer({ reply: 'numbered' });
  const folder = join(root, 'run');
  const args = generateArgs({ ...scene, input }, server, folder, ['--concurrency', '2']);
  const first = await interrupt(args, server, ['SIGINT']);
  assert.equal(first.code, 130);
  assert.match(first.stderr, /^simgpt: stopped; run the same command again to go on\n/m);
  const second = await interrupt(args, server, ['SIGTERM']);
  assert.equal(second.code, 143);
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  assert.deepEqual(await once(child, 'close'), [0, null]);
  // What was in flight came in, so that nothing is paid twice.
  assert.equal((await server.bill()).calls, 500);
});

test('a second Ctrl-C does not wait for calls in flight', async (t) => {
  const root = await temporaryFolder(t);
  const scene = await makeScene(root, 0);
  const input = join(root, 'hang.txt');
  const lines = Array.from({ length: 8 }, (_, index) => `fault:hang boat ${index}\n`);
  await writeFile(input, lines.join(''));
  await using server = await startFakeServer({ reply: 'numbered' });
  const args = generateArgs({ ...scene, input }, server, join(root, 'run'), [
    '--call-timeout-ms=600000',
  ]);
  // The one call that goes ahead of the others.
  const ended = await interrupt(args, server, ['SIGINT', 'SIGINT'], 1);
  assert.equal(ended.code, 130);
});
