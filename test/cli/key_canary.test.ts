// The key in nothing a run writes or says (RELIABILITY 7, S1): faults of every kind, live and in
// batches, the key from the environment and from a file, everything that logs told to log.
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFakeServer } from '../generate/fake_process.js';
import { writeSentences } from '../generate/tiny_run.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

const key = 'sk-canary/7f+3a=91c2d4&e8b605';
const debug = { SIMGPT_DEBUG: '1', OPENAI_LOG: 'debug', DEBUG: '*', NODE_DEBUG: 'undici' };

/** The key, and what of its other spellings does not depend on what stands around it. */
const forms = [
  key,
  key.slice(4, 20),
  encodeURIComponent(key),
  JSON.stringify(key).slice(1, -1),
  ...['', ' ', 'Bearer ', 'Bearer  '].flatMap((before) =>
    (['base64', 'base64url'] as const).map((form) => {
      const whole = Buffer.from(before + key).toString(form);
      return whole.slice(Math.ceil((before.length * 4) / 3) + 1, -4);
    }),
  ),
];

const live = (
  'echo echoContent unauthorized quota noModel badRequest html plain redirect302 redirect307 cut ' +
  'reset error500 gateway502 truncated wrongSchema length refusal limitMs bomb bigHeaders forbidden deep stringError gzip none'
).split(' ');
const calls = (
  'upload:echo create:echo poll:echo content:echo upload:refused create:error500 poll:cutBody ' +
  'content:cutBody create:html none:none'
).split(' ');

interface Case {
  readonly name: string;
  readonly settings: object;
  readonly flags: readonly string[];
}

const cases: readonly Case[] = [
  ...live.map((fault) => ({
    name: fault,
    settings: fault === 'none' ? {} : { rates: { [fault]: 1 }, faultyAttempts: 2 },
    flags: [],
  })),
  ...calls.flatMap((call) => {
    const [endpoint = '', fault = ''] = call.split(':');
    const batch = { batch: { calls: { [endpoint]: [fault] } } };
    return [{ name: `batch ${call}`, settings: batch, flags: ['--batch-api'] }];
  }),
  ...['echoContent', 'error500', 'wrongSchema', 'length'].map((fault) => ({
    name: `batch of ${fault}`,
    settings: { rates: { [fault]: 1 }, faultyAttempts: 2 },
    flags: ['--batch-api'],
  })),
];

async function textsBelow(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1')),
  );
}

async function expectNoKey({ name, settings, flags }: Case, root: string, index: number) {
  const cwd = join(root, String(index));
  await mkdir(cwd);
  const input = await writeSentences(cwd, 3);
  await using server = await startFakeServer({ reply: 'numbered', run: name, ...settings });
  const isInFile = index % 2 === 1;
  const keyFile = join(root, `key ${index}`);
  await writeFile(keyFile, `${key}\n`);
  await chmod(keyFile, 0o600);
  const args = ['generate', 'simgpt', '--input', input, '--output', 'run', '--llm', 'fake-model'];
  const more = ['--retry-delay-ms', '1', '--batch-poll-ms', '1', '--call-timeout-ms', '3000'];
  const where = isInFile ? ['--api-key-file', keyFile] : [];
  const { stdout, stderr } = await runSimgpt([...args, ...more, ...where, ...flags], {
    cwd,
    env: {
      ...debug,
      OPENAI_API_KEY: isInFile ? undefined : key,
      OPENAI_BASE_URL: server.baseUrl,
    },
  });
  assert.ok((await server.bill()).keys > 0, `${name}: the server was sent the key`);
  const texts = [stdout, stderr, ...(await textsBelow(cwd))];
  for (const form of forms) {
    const found = texts.find((text) => text.includes(form));
    assert.equal(found?.slice(0, 2000), undefined, `${name}: ${form}`);
  }
}

test(`in ${cases.length} runs with everything logged, the key is in no file and no word`, async (t) => {
  const root = await temporaryFolder(t);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < cases.length; at = next++) {
      await expectNoKey(cases[at]!, root, at);
    }
  };
  await Promise.all([worker(), worker(), worker()]);
});
