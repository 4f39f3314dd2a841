import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { startFakeServer } from '../generate/fake_process.js';
import { writeSentences } from '../generate/tiny_run.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

const generate = ['generate', 'simgpt', '--llm', 'fake-model', '--batch-poll-ms', '5'];

/** Starts the command and interrupts it once it says that a batch is submitted. */
async function interruptWhenSubmitted(args: readonly string[], cwd: string, env: object) {
  const child = spawn(process.execPath, [join(repoRoot, 'bin/simgpt.mjs'), ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    said += `${line}\n`;
    if (line.includes('submitted')) child.kill('SIGINT');
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, said };
}

test('a run in batches is stopped, cancelled, and goes on live without paying twice', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 40);
  // The batch would never end by itself, and half of it is done when it is cancelled.
  const batch = { polls: 1e9, done: 0.5 };
  await using server = await startFakeServer({ reply: 'numbered', batch });
  const env = { OPENAI_API_KEY: 'sk-canary-1b2c', OPENAI_BASE_URL: server.baseUrl };
  const args = [...generate, '--input', input, '--output', 'run'];
  const stopped = await interruptWhenSubmitted([...args, '--batch-api'], cwd, env);
  assert.equal(stopped.code, 130, stopped.said);
  assert.match(stopped.said, /batch \w+: 40 requests submitted/);
  const live = await runSimgpt([...args, '--cancel-batches'], { cwd, env });
  assert.equal(live.code, 0, live.stderr);
  assert.match(live.stderr, /1 batches are asked to end\n/);
  assert.match(live.stderr, /batch \w+: cancelled, 40 requests/);
  const bill = await server.bill();
  assert.ok(bill.calls === 40 && bill.batches === 1, JSON.stringify(bill));
  const rows = (await readFile(join(cwd, 'run/data.jsonl'), 'utf8')).trim().split('\n');
  assert.equal(rows.length, 40);
  const verified = await runSimgpt(['verify', 'run'], { cwd });
  assert.equal(verified.code, 0, verified.stdout);
  const ledger = await runSimgpt(['ledger', 'run'], { cwd });
  const tokens = (bill.promptTokens + bill.completionTokens).toLocaleString('en-US');
  assert.match(ledger.stdout, new RegExp(`settled 40 calls, ${tokens} tokens; .* 0 calls, 0 tok`));
});

test('a live run that is stopped goes on in batches; the price of a batch stands beside the full one', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 12);
  await using server = await startFakeServer({ reply: 'numbered' });
  const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: server.baseUrl };
  const args = [...generate, '--input', input, '--output', 'run'];
  const capped = await runSimgpt([...args, '--max-calls', '5'], { cwd, env });
  assert.equal(capped.code, 5, capped.stderr);
  const batch = await runSimgpt([...args, '--max-calls', '12', '--batch-api'], { cwd, env });
  assert.equal(batch.code, 0, batch.stderr);
  const { calls, batches } = await server.bill();
  assert.deepEqual([calls, batches], [12, 1]);
  const price = { inputPerMillionTokens: 1e6, outputPerMillionTokens: 0, batchDiscount: 0.5 };
  const table = { currency: 'EUR', models: { 'fake-model': price } };
  await writeFile(join(cwd, 'prices.json'), JSON.stringify(table));
  const dry = await runSimgpt([...args, '--dry-run', '--price-table', 'prices.json'], { cwd, env });
  const [, full, half] = /about ([\d.]+) EUR \(([\d.]+) EUR by the Batch API\)/.exec(dry.stdout)!;
  assert.equal(Number(half), Number(full) / 2);
  // Five live calls at the full price, seven of the batch at half of it.
  const ledger = await runSimgpt(['ledger', 'run', '--price-table', 'prices.json'], { cwd });
  const rows = [
    ...ledger.stdout.matchAll(/ (live|batch) +ok +(\d+) +[\d,]+ +([\d,]+) +\d+ +([\d.]+)\n/g),
  ];
  const counted = rows.map(([, mode, n, tokens, cost]) => [
    mode,
    Number(n),
    Number(cost) / Number(tokens?.replaceAll(',', '')),
  ]);
  assert.deepEqual(counted, [
    ['batch', 7, 0.5],
    ['live', 5, 1],
  ]);
  assert.match(
    ledger.stdout,
    /money: [\d.]+ EUR for fake-model by the Batch API\nmoney: [\d.]+ EUR for fake-model\n/,
  );
  const { rows: kinds } = JSON.parse(
    (await runSimgpt(['ledger', 'run', '--json'], { cwd })).stdout,
  ) as { readonly rows: readonly { readonly mode: string }[] };
  assert.deepEqual(
    kinds.map(({ mode }) => mode),
    ['batch', 'live'],
  );
});

test('answers of a batch that were stored and not settled when a run was killed are settled', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 6);
  await using server = await startFakeServer({ reply: 'numbered' });
  const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: server.baseUrl };
  const args = [...generate, '--batch-api', '--no-report', '--input', input, '--output', 'run'];
  assert.equal((await runSimgpt(args, { cwd, env })).code, 0);
  const path = join(cwd, 'run/journal');
  const journal = await readFile(path);
  const settled = journal.indexOf('"kind":"settle"');
  await writeFile(path, journal.subarray(0, journal.lastIndexOf('\n', settled) + 1));
  const again = await runSimgpt(args, { cwd, env });
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual((await server.bill()).calls, 6);
  const verified = await runSimgpt(['verify', 'run'], { cwd });
  assert.equal(verified.stdout, '6 rows, 0 in quarantine, 6 answers: all as it should be\n');
  const ledger = await runSimgpt(['ledger', 'run'], { cwd });
  assert.match(ledger.stdout, / batch +ok +6 /);
});

test('a cap ends a run in batches when what is claimed has come, and many retries warn of nothing', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 60);
  const batch = { ends: ['expired'], done: 0.5 };
  await using server = await startFakeServer({ reply: 'numbered', batch });
  const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: server.baseUrl };
  const args = [...generate, '--batch-api', '--input', input, '--output', 'run'];
  const capped = await runSimgpt([...args, '--max-calls', '5'], { cwd, env });
  assert.equal(capped.code, 5, capped.stderr);
  assert.match(capped.stderr, /batch \w+: 5 requests submitted/);
  const whole = await runSimgpt([...args, '--max-calls', '60'], { cwd, env });
  assert.equal(whole.code, 0, whole.stderr);
  assert.doesNotMatch(whole.stderr, /Warning/);
  assert.equal((await server.bill()).calls, 60);
});

test('an unknown model, a wrong key and a server without batches are a sentence and an exit code', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 3);
  const env = { OPENAI_API_KEY: 'sk-canary-1b2c', OPENAI_BASE_URL: undefined };
  await using server = await startFakeServer({ reply: 'numbered' });
  await using other = await startFakeServer({ batch: { calls: { create: ['refused'] } } });
  for (const [llm, baseUrl, says] of [
    ['gone', server.baseUrl, /has no model "gone": name one it has with --llm/],
    ['fake-model', `${server.origin}/other`, /refused the call \(.*not_found\)/],
    ['fake-model', other.baseUrl, /refused the API key/],
  ] as const) {
    const where = ['--base-url', baseUrl, '--output', `run ${String(says).slice(1, 9)}`];
    const args = ['generate', 'simgpt', '--input', input, '--batch-api', '--batch-poll-ms', '1'];
    const result = await runSimgpt([...args, '--llm', llm, ...where], { cwd, env });
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, says);
    assert.doesNotMatch(result.stderr, /canary/);
  }
});

test('a cap that a run needs less than does not stop it: calls in flight end first', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 60);
  // Sixty calls may cost 158,640 tokens at worst, and cost 26,700.
  const cap = ['--max-tokens-total', '60000', '--no-report', '--input', input];
  for (const mode of [[], ['--batch-api']]) {
    await using server = await startFakeServer({ reply: 'numbered' });
    const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: server.baseUrl };
    const args = [...generate, ...cap, ...mode, '--output', `run${mode.length}`];
    const result = await runSimgpt(args, { cwd, env });
    assert.equal(result.code, 0, result.stderr);
    const { calls, batches } = await server.bill();
    assert.equal(calls, 60);
    // As many as fit in each: no file of a single call after another.
    assert.ok(mode.length === 0 ? batches === 0 : batches >= 2 && batches <= 8, `${batches}`);
  }
});
