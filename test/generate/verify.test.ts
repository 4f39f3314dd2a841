import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournal } from '#dist/files/journal.js';
import type { JournalRecord } from '#dist/files/journal.js';
import { verifyRun } from '#dist/generate/verify.js';
import { temporaryFolder } from '../temporary_folder.js';
import { startFakeServer } from './fake_process.js';
import { runTiny, writeSentences } from './tiny_run.js';

/** Appends a record to the run's journal, as no run of ours does. */
async function append(folder: string, record: JournalRecord): Promise<void> {
  await using journal = await openJournal(join(folder, 'journal'));
  await journal.append(record);
}

async function lastRecord(folder: string, kind: string): Promise<JournalRecord> {
  let found: JournalRecord | undefined;
  const onRecord = (record: JournalRecord): void => {
    if (record['kind'] === kind) found = record;
  };
  await using _ = await openJournal(join(folder, 'journal'), { onRecord });
  return found!;
}

test('verify finds what is missing, changed, doubled or unaccounted for', async (t) => {
  const root = await temporaryFolder(t);
  await using server = await startFakeServer({ reply: 'numbered' });
  const input = await writeSentences(root, 5);
  const cases: readonly (readonly [
    name: string,
    harm: (folder: string) => Promise<void>,
    says: RegExp,
  ])[] = [
    [
      'a row less',
      async (folder) => {
        const path = join(folder, 'data.jsonl');
        const [, ...rest] = (await readFile(path, 'utf8')).split('\n');
        await writeFile(path, rest.join('\n'));
      },
      /data\.jsonl: expected 5 rows, found 4/,
    ],
    [
      'a row twice',
      async (folder) => {
        const path = join(folder, 'data.jsonl');
        const text = await readFile(path, 'utf8');
        await writeFile(path, text + text.slice(0, text.indexOf('\n') + 1));
      },
      /line 6: expected each id once, found 1 again/,
    ],
    [
      'another model',
      async (folder) => {
        const path = join(folder, 'data.jsonl');
        const text = await readFile(path, 'utf8');
        await writeFile(path, text.replace('"fake-model"', '"a-finer-model"'));
      },
      /line 1: expected model fake-model and seed 1 of the plan/,
    ],
    [
      'an unsettled claim',
      (folder) =>
        append(folder, {
          kind: 'claim',
          id: 'stray',
          attempt: 1,
          model: 'fake-model',
          template: 't',
          tokens: 10,
        }),
      /call stray, attempt 1: expected a settlement, found none/,
    ],
    [
      'an answer that is not in the store',
      async (folder) => {
        const claim = {
          kind: 'claim',
          id: 'gone',
          attempt: 1,
          model: 'm',
          template: 't',
          tokens: 10,
        };
        await append(folder, claim);
        const usage = { inputTokens: 1, outputTokens: 1 };
        const response = 'a'.repeat(64);
        await append(folder, {
          kind: 'settle',
          id: 'gone',
          attempt: 1,
          outcome: 'ok',
          usage,
          response,
        });
      },
      /call gone, attempt 1: expected its answer a{64}, found none/,
    ],
    [
      'a call bought twice',
      async (folder) => {
        const { id } = await lastRecord(folder, 'claim');
        const claim = { kind: 'claim', id: id!, attempt: 2, model: 'm', template: 't', tokens: 10 };
        await append(folder, claim);
        await append(folder, { kind: 'book', id: id!, attempt: 2 });
      },
      /expected no avoidable double bill, found 1/,
    ],
    [
      'a cap that was passed',
      (folder) => append(folder, { kind: 'caps', tokens: null, calls: 4 }),
      /expected at most 4 calls, found 5/,
    ],
    [
      'a cap in money that was passed',
      (folder) => {
        const price = { inputPerMillionTokens: 1e6, outputPerMillionTokens: 1e6 };
        const money = { most: 4, currency: 'EUR', models: { 'fake-model': price } };
        return append(folder, { kind: 'caps', tokens: null, calls: null, money });
      },
      /expected at most 4 EUR, found [1-9]\d+\.\d\d/,
    ],
    [
      'rows of another plan',
      async (folder) => {
        const record = await lastRecord(folder, 'commit');
        await append(folder, { ...record, plan: 'b'.repeat(64) });
      },
      /expected the rows of the plan [0-9a-f]{64}, found those of b{64}/,
    ],
  ];
  for (const [name, harm, says] of cases) {
    await t.test(name, async () => {
      const folder = join(root, name);
      await runTiny({ folder, input, baseUrl: server.baseUrl, bare: true });
      assert.deepEqual((await verifyRun(folder)).doubts, []);
      await harm(folder);
      const { doubts } = await verifyRun(folder);
      assert.ok(
        doubts.some((doubt) => says.test(doubt)),
        doubts.join('\n'),
      );
    });
  }
  await t.test('a folder of no run is refused', async () => {
    const folder = join(root, 'none');
    await mkdir(folder);
    await assert.rejects(verifyRun(folder), { code: 'fileNotFound' });
    await assert.rejects(verifyRun(join(root, 'nowhere')), { code: 'fileNotFound' });
  });
  await t.test('an unfinished run', async () => {
    const folder = join(root, 'unfinished');
    const run = { folder, input, baseUrl: server.baseUrl, bare: true };
    await runTiny(run, { caps: { calls: 2 } });
    assert.match((await verifyRun(folder)).doubts.join('\n'), /expected a finished run/);
  });
});

/** Puts `change` of the file's text in its place. */
async function edit(folder: string, name: string, change: (text: string) => string): Promise<void> {
  const path = join(folder, name);
  const before = await readFile(path, 'latin1');
  const after = change(before);
  assert.notEqual(after, before, 'nothing was changed');
  await writeFile(path, after, 'latin1');
}

test('whatever file is damaged or gone is a doubt, never an exception', async (t) => {
  const root = await temporaryFolder(t);
  await using server = await startFakeServer({ reply: 'numbered' });
  const input = join(root, 'input.jsonl');
  const rows = ['Boats leave.', '', 'Trains arrive.', 'Boats leave.'].map((text, i) => ({
    id: `row-${i}`,
    text,
  }));
  await writeFile(input, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const flipped = (text: string, at: number): string =>
    text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
  const cases: readonly (readonly [
    name: string,
    harm: (folder: string) => Promise<void>,
    ...says: readonly RegExp[],
  ])[] = [
    [
      'a torn line in the quarantine',
      (folder) => edit(folder, 'quarantine.jsonl', (text) => text.slice(0, -10)),
      /quarantine\.jsonl: expected sha256/,
      /quarantine\.jsonl, line 2: expected a JSON object/,
      /the drops by reason/,
    ],
    [
      'rubbish in the quarantine',
      (folder) => edit(folder, 'quarantine.jsonl', (text) => `[1]\n\xff\n{"reason":7}\n${text}`),
      /line 1: field \(whole file\): expected a value of type object/,
      /line 2: expected UTF-8/,
      /line 3: field reason/,
      /quarantine\.jsonl: expected 2 rows, found 5/,
    ],
    [
      'another reason in the quarantine',
      (folder) => edit(folder, 'quarantine.jsonl', (text) => text.replace('"input"', '"empty"')),
      /the drops by reason that the run counted, found others/,
    ],
    [
      'no quarantine',
      (folder) => rm(join(folder, 'quarantine.jsonl')),
      /quarantine\.jsonl: expected a file, found none/,
      /expected 3 units as rows or in quarantine, found 2/,
    ],
    [
      'no rows',
      (folder) => rm(join(folder, 'data.jsonl')),
      /data\.jsonl: expected a file, found none/,
      /data\.jsonl: expected 2 rows, found 0/,
    ],
    [
      'a folder in the place of the rows',
      async (folder) => {
        await rm(join(folder, 'data.jsonl'));
        await mkdir(join(folder, 'data.jsonl'));
      },
      /data\.jsonl: could not be read: EISDIR/,
    ],
    [
      'a torn row',
      (folder) => edit(folder, 'data.jsonl', (text) => text.slice(0, -20)),
      /data\.jsonl, line 2: expected a JSON object/,
    ],
    [
      'a letter of a row',
      (folder) => edit(folder, 'data.jsonl', (text) => text.replace('Boats', 'Goats')),
      /data\.jsonl: expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}/,
    ],
    [
      "a template that is not the plan's",
      (folder) => edit(folder, 'data.jsonl', (text) => text.replace(/"hash":"./, '"hash":"x')),
      /line 1: field provenance\[0\]\.template\.hash/,
    ],
    [
      'a template of other words',
      (folder) =>
        edit(folder, 'data.jsonl', (text) =>
          text.replace(/"hash":"[0-9a-f]{64}"/, `"hash":"${'c'.repeat(64)}"`),
        ),
      /line 1: expected template simgpt-captions of sha256 [0-9a-f]{64}, found c{64}/,
    ],
    [
      'a bit of the answers',
      (folder) => edit(folder, 'answers', (text) => flipped(text, text.indexOf('Boats'))),
      /answers: damaged at byte/,
    ],
    ['no answers', (folder) => rm(join(folder, 'answers')), /expected its answer .*, found none/],
    [
      'a bit of the journal',
      (folder) => edit(folder, 'journal', (text) => flipped(text, text.indexOf('"claim"') + 2)),
      /journal: damaged at byte/,
    ],
  ];
  for (const [name, harm, ...says] of cases) {
    await t.test(name, async () => {
      const folder = join(root, name);
      await runTiny({ folder, input, baseUrl: server.baseUrl, bare: true });
      assert.deepEqual(await verifyRun(folder), {
        rows: 2,
        quarantined: 2,
        answers: 3,
        doubts: [],
      });
      await harm(folder);
      const { doubts } = await verifyRun(folder);
      for (const sentence of says) assert.match(doubts.join('\n'), sentence);
    });
  }
});
