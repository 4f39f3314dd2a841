import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFakeServer } from '../generate/fake_process.js';
import { writeSentences } from '../generate/tiny_run.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: undefined };

test('generate, verify and ledger as a user runs them, then the finished run', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 40);
  await using server = await startFakeServer({ reply: 'numbered' });
  const args = ['generate', 'simgpt', '--input', input, '--output', 'run', '--llm', 'fake-model'];
  const settings = { cwd, env: { ...env, OPENAI_BASE_URL: server.baseUrl } };
  const first = await runSimgpt(args, settings);
  assert.deepEqual([first.code, first.stdout], [0, '']);
  assert.match(first.stderr, /^40 rows of 40 in run\/data\.jsonl\n/);
  const bill = await server.bill();
  const ledger = await runSimgpt(['ledger', 'run', '--json'], { cwd });
  const report = JSON.parse(ledger.stdout) as { settledTokens: number; bookedTokens: number };
  assert.equal(report.settledTokens, bill.promptTokens + bill.completionTokens);
  assert.equal(report.bookedTokens, 0);
  const verified = await runSimgpt(['verify', 'run'], { cwd });
  assert.deepEqual(
    [verified.code, verified.stdout],
    [0, '40 rows, 0 in quarantine, 40 answers: all as it should be\n'],
  );
  const again = await runSimgpt(args, settings);
  assert.equal(again.code, 0);
  assert.match(again.stderr, /^this run is finished: nothing was called or written\n/);
  assert.deepEqual(await server.bill(), bill);
  const data = await readFile(join(cwd, 'run/data.jsonl'), 'utf8');
  await writeFile(join(cwd, 'run/data.jsonl'), data.replace('Boat 7', 'Boat 8'));
  const doubted = await runSimgpt(['verify', 'run'], { cwd });
  assert.equal(doubted.code, 4);
  assert.match(doubted.stdout, /^doubt: data\.jsonl: expected sha256 /);
});

test("the ledger is made equal to the provider's bill, by a file of its lines", async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 30);
  const rates = { gateway504: 0.3, truncated: 0.2 };
  await using server = await startFakeServer({ reply: 'numbered', rates, faultyAttempts: 1 });
  const there = ['--base-url', server.baseUrl, '--llm', 'fake-model', '--retry-delay-ms', '1'];
  const args = ['generate', 'simgpt', '--input', input, '--output', 'run', '--no-report', ...there];
  assert.equal((await runSimgpt(args, { cwd, env })).code, 0);
  const bill = await server.bill();
  const total = bill.promptTokens + bill.completionTokens;
  type Report = { settledTokens: number; bookedTokens: number; unclaimed?: number };
  const read = async (more: readonly string[]): Promise<Report> => {
    const { stdout } = await runSimgpt(['ledger', 'run', '--json', ...more], { cwd });
    return JSON.parse(stdout) as Report;
  };
  const before = await read([]);
  assert.ok(before.bookedTokens > 0 && before.settledTokens + before.bookedTokens > total);
  await writeFile(join(cwd, 'bill.jsonl'), await server.billLines());
  const after = await read(['--reconcile', 'bill.jsonl']);
  assert.deepEqual([after.settledTokens, after.bookedTokens, after.unclaimed], [total, 0, 0]);
  assert.equal((await read([])).settledTokens, total);
  await writeFile(join(cwd, 'bill.jsonl'), '{"id":"x","attempt":0}\n');
  const bad = await runSimgpt(['ledger', 'run', '--reconcile', 'bill.jsonl'], { cwd });
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /bill\.jsonl, line 1: field attempt: expected at least 1/);
  // A corrected ledger is read again by a run that goes on.
  const more = await runSimgpt([...args, '--seed', '1'], { cwd, env });
  assert.equal(more.code, 0, more.stderr);
});

test('no file of a run, and no word of it, holds the key, even where the server echoes it', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 10);
  const key = 'sk-canary-0123456789abcdef';
  const forms = [key, Buffer.from(key).toString('base64').slice(0, 30), encodeURIComponent(key)];
  for (const rates of [{ echo: 1 }, {}]) {
    await using server = await startFakeServer({ reply: 'numbered', rates });
    const args = ['generate', 'simgpt', '--input', input, '--output', 'run', '--llm', 'fake-model'];
    const settings = { cwd, env: { OPENAI_API_KEY: key, OPENAI_BASE_URL: server.baseUrl } };
    const { stdout, stderr } = await runSimgpt(args, settings);
    const files = await Promise.all(
      (await readdir(join(cwd, 'run'))).map((name) => readFile(join(cwd, 'run', name), 'utf8')),
    );
    for (const form of forms) {
      assert.ok(![stdout, stderr, ...files].some((text) => text.includes(form)), form);
    }
    assert.equal((await server.bill()).keys > 0, true);
  }
});

// Fault of every call, exit code, requests that it took, sentence.
const endings: readonly (readonly [fault: string, code: number, asked: number, says: RegExp])[] = [
  ['unauthorized', 1, 1, /refused the API key: check OPENAI_API_KEY or --api-key-file/],
  ['forbidden', 1, 1, /the key may not use model "fake-model"/],
  ['quota', 5, 1, /out of quota: add credit there, then run the same command again/],
  ['html', 1, 3, /does not answer as an OpenAI-compatible API: check --base-url/],
  ['error500', 1, 8, /cannot be reached, or keeps failing/],
];

test('what ends a run at once is one sentence with its exit code', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 20);
  const keyFile = join(cwd, 'key');
  await writeFile(keyFile, 'sk-canary-55aa55\n');
  await chmod(keyFile, 0o600);
  const args = ['generate', 'simgpt', '--input', input, '--retry-delay-ms', '1'];
  for (const [fault, code, asked, says] of endings) {
    await t.test(fault, async () => {
      await using server = await startFakeServer({ reply: 'numbered', rates: { [fault]: 1 } });
      const result = await runSimgpt(
        [...args, '--output', fault, '--llm', 'fake-model', '--api-key-file', keyFile].concat([
          '--base-url',
          server.baseUrl,
        ]),
        { cwd, env },
      );
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, says);
      assert.doesNotMatch(result.stderr, /canary/);
      const { calls, requests } = await server.bill();
      assert.deepEqual([calls, requests], [0, asked]);
    });
  }
  await t.test('an unset key', async () => {
    const unset = await runSimgpt([...args, '--output', 'none', '--llm', 'm'], { cwd, env });
    assert.equal(unset.code, 2);
    assert.match(unset.stderr, /^simgpt: expected an API key in OPENAI_API_KEY or --api-key-file/);
  });
  await t.test('an unknown model', async () => {
    await using server = await startFakeServer();
    const there = ['--base-url', server.baseUrl, '--output', 'gone', '--llm', 'gpt-gone'];
    const gone = await runSimgpt([...args, ...there], { cwd, env });
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /has no model "gpt-gone": name one it has with --llm/);
  });
});

test('a dry run tells calls, tokens, money and three prompts, and calls nothing', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 12);
  const table = {
    currency: 'EUR',
    models: { m: { inputPerMillionTokens: 1e6, outputPerMillionTokens: 0 } },
  };
  await writeFile(join(cwd, 'prices.json'), JSON.stringify(table));
  const args = ['generate', 'simgpt', '--input', input, '--llm', 'm', '--dry-run'];
  const result = await runSimgpt([...args, '--price-table', 'prices.json'], { cwd, env });
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /\n12 calls of m for 12 rows/);
  assert.equal(result.stdout.match(/^--- prompt \d ---$/gm)?.length, 3);
  const tokens = /about ([\d,]+) tokens/.exec(result.stdout)?.[1]?.replaceAll(',', '');
  assert.match(result.stdout, new RegExp(`money: about ${tokens}\\.00 EUR`));
});

test('a cap in money stops the run below it, stays in force, and wants a price', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = await writeSentences(cwd, 40);
  await using server = await startFakeServer({ reply: 'numbered', rates: { truncated: 0.1 } });
  const settings = { cwd, env: { ...env, OPENAI_BASE_URL: server.baseUrl } };
  const args = ['generate', 'simgpt', '--input', input, '--output', 'run', '--llm', 'fake-model'];
  const refused = await runSimgpt([...args, '--max-cost', '1'], settings);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(
    refused.stderr,
    /^simgpt: expected a price table that names fake-model for --max-cost, received one of no model: give a file like \{"currency":"USD","models":\{"fake-model":\{"inputPerMillionTokens":1,"outputPerMillionTokens":4\}\}\} as --price-table\n$/,
  );
  assert.equal((await server.bill()).requests, 0);
  const price = { inputPerMillionTokens: 1000, outputPerMillionTokens: 4000 };
  const table = { currency: 'EUR', models: { 'fake-model': price } };
  await writeFile(join(cwd, 'prices.json'), JSON.stringify(table));
  const priced = ['--price-table', 'prices.json', '--max-cost'];
  const paid = async (): Promise<number> => {
    const { promptTokens, completionTokens } = await server.bill();
    return (promptTokens * 1000 + completionTokens * 4000) / 1e6;
  };
  const capped = await runSimgpt([...args, ...priced, '8'], settings);
  assert.equal(capped.code, 5, capped.stderr);
  assert.match(
    capped.stderr,
    /expected at most 8\.00 EUR \(--max-cost\), \d\.\d\d EUR are spent or booked and the next call may cost \d\.\d\d EUR: raise it to go on/,
  );
  assert.ok((await paid()) <= 8 && (await paid()) > 2, `${await paid()}`);
  // Neither repeating the command without it nor other prices lift it.
  const before = await server.bill();
  assert.equal((await runSimgpt(args, settings)).code, 5);
  const cheap = { currency: 'EUR', models: { other: price } };
  await writeFile(join(cwd, 'cheap.json'), JSON.stringify(cheap));
  const other = await runSimgpt(
    [...args.slice(0, -1), 'other', '--price-table', 'cheap.json', '--max-cost', '9'],
    settings,
  );
  assert.equal(other.code, 2, other.stderr);
  assert.match(
    other.stderr,
    /expected a price of fake-model for the cap in money, received those of other/,
  );
  assert.deepEqual(await server.bill(), before);
  const whole = await runSimgpt([...args, ...priced, '100'], settings);
  assert.ok([0, 3].includes(whole.code ?? -1), whole.stderr);
  assert.ok((await paid()) > 8);
  assert.match(whole.stderr, /\nmoney: \d+\.\d\d EUR(, at most \d+\.\d\d)? for fake-model\n/);
  assert.equal((await runSimgpt(['verify', 'run'], { cwd })).code, 0);
});

test('rows come as Parquet or CSV too, and near duplicates are dropped where asked', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = join(cwd, 'input.txt');
  await writeFile(input, 'A boat leaves.\nTwo cars wait.\nA boat leaves.\n');
  // Three rows, two of them alike: the answer is a function of the text.
  await using server = await startFakeServer({ reply: 'numbered' });
  const there = ['--base-url', server.baseUrl, '--llm', 'fake-model', '--input', input];
  const more = ['--near-duplicates', '0.9', '--format', 'csv', '--output', 'run'];
  const result = await runSimgpt(['generate', 'simgpt', ...there, ...more], { cwd, env });
  assert.equal(result.code, 3, result.stderr);
  assert.match(result.stderr, /^2 rows of 3 in run\/data\.jsonl\ndropped.*duplicate 1\n/);
  const csv = await readFile(join(cwd, 'run/data.csv'), 'utf8');
  assert.match(csv, /^sent0,sent1,hard_neg\nA boat leaves\.,/);
  const parquet = ['--format', 'parquet', '--output', 'run'];
  const again = await runSimgpt(['generate', 'simgpt', ...there, ...parquet], { cwd, env });
  assert.equal(again.code, 3, again.stderr);
  const bytes = await readFile(join(cwd, 'run/data.parquet'));
  assert.equal(bytes.subarray(0, 4).toString(), 'PAR1');
  // The answers of the first run were enough.
  assert.equal((await server.bill()).calls, 3);
  assert.equal((await runSimgpt(['verify', 'run'], { cwd })).code, 0);
});
