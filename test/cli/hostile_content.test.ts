// What an LLM writes is data (RELIABILITY 7, G10 and C1): kept to the letter, and nothing else.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFakeServer } from '../generate/fake_process.js';
import { hostileTexts } from '../generate/fake_faults.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

const acted =
  // oxlint-disable-next-line no-control-regex -- control bytes are what must not be there
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

test('hostile answers and inputs are kept verbatim, run nothing, and reach no terminal', async (t) => {
  const root = await temporaryFolder(t);
  const cwd = join(root, 'in', 'here');
  await mkdir(cwd, { recursive: true });
  const rows = hostileTexts.map((text, i) => ({ id: `row ${i}`, text: `Sentence ${i}: ${text}` }));
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await writeFile(join(cwd, 'input.jsonl'), lines);
  await using server = await startFakeServer({ reply: 'hostile' });
  const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: server.baseUrl };
  const args = [
    'generate',
    'simgpt',
    '--input',
    'input.jsonl',
    '--output',
    'run',
    '--llm',
    'fake-model',
  ];
  const said: string[] = [];
  for (const command of [
    [...args, '--dry-run'],
    args,
    ['ledger', 'run'],
    ['verify', 'run'],
    ['ledger', 'run', '--json'],
  ]) {
    const { code, stdout, stderr } = await runSimgpt(command, { cwd, env });
    assert.ok(code === 0 || code === 3, stderr);
    said.push(stdout, stderr);
  }
  for (const text of said) assert.doesNotMatch(text, acted);
  const data = (await readFile(join(cwd, 'run/data.jsonl'), 'utf8')).trimEnd().split('\n');
  const found = new Map(
    data.map((line) => {
      const { id, positive } = JSON.parse(line) as { id: string; positive: string };
      return [id, positive];
    }),
  );
  const dropped = await readFile(join(cwd, 'run/quarantine.jsonl'), 'utf8');
  for (const [i, text] of hostileTexts.entries()) {
    const id = `row ${i}`;
    // Whatever is on one line is a sentence like any other; lone surrogates alone are replaced.
    if (found.has(id))
      assert.equal(found.get(id), `A ${text.replaceAll(/\p{Surrogate}/gu, '\ufffd')} end`, id);
    else assert.ok(dropped.includes(JSON.stringify(id)), `${id} is dropped and named`);
  }
  assert.ok(found.size >= hostileTexts.length / 2, `${found.size} rows`);
  // Nothing appeared outside of the run, and nothing in it under a name that a text gave.
  assert.deepEqual(await readdir(root), ['in']);
  assert.deepEqual(await readdir(join(root, 'in')), ['here']);
  assert.deepEqual((await readdir(cwd)).sort(), ['input.jsonl', 'run']);
  const names = await readdir(join(cwd, 'run'), { recursive: true });
  for (const name of names) assert.match(name, /^[a-z]+(\.[a-z]+)?$/);
  const page = await readFile(join(cwd, 'run/report.html'), 'utf8');
  assert.doesNotMatch(page, /<script>alert|<img|<svg onload|href=.javascript/);
});
