import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { openJournal } from '#dist/files/journal.js';
import type { JournalFile, JournalRecord } from '#dist/files/journal.js';
import { encodeRecord } from '#dist/files/journal_record.js';
import { replayJournal } from '#dist/files/journal_replay.js';
import { temporaryFolder } from '../temporary_folder.js';
import { memoryFile } from './memory_file.js';

const first: JournalRecord = { format: 'simgpt journal', version: 2 };
const records: JournalRecord[] = Array.from({ length: 16 }, (_, i) => ({
  kind: i % 2 === 0 ? 'claim' : 'settle',
  id: `example ${i}`,
  text: 'ä€\n"𝄞'.repeat((i * 7) % 11),
  tokens: i * 1000,
}));
const groupStart = encodeRecord(first).length;
/** The records as one group writes them. */
const lines = records.reduce<Buffer[]>(
  (before, record) => {
    const at = before.reduce((sum, line) => sum + line.length, 0);
    return [...before, encodeRecord(record, at - groupStart)];
  },
  [encodeRecord(first)],
);
const whole = Buffer.concat(lines);

async function pathIn(context: TestContext): Promise<string> {
  return join(await temporaryFolder(context), 'journal.jsonl');
}

/** Opens, returns what was in it, and closes. */
async function recordsOf(
  path: string,
  file?: JournalFile,
): Promise<{ found: JournalRecord[]; cutBytes: number }> {
  const found: JournalRecord[] = [];
  const openFile = file === undefined ? {} : { openFile: async () => file };
  const onRecord = (record: JournalRecord): void => void found.push(record);
  await using journal = await openJournal(path, { onRecord, ...openFile });
  return { found, cutBytes: journal.cutBytes };
}

test('records are read again in any order, while others are appended', async (context) => {
  // Some larger than what one read brings in, and many across its borders.
  const sizes = Array.from({ length: 400 }, (_, i) => (i % 97 === 0 ? 200_000 : (i * 7919) % 3000));
  const made = sizes.map((size, i): JournalRecord => ({ id: i, text: 'x'.repeat(size) }));
  let reads = 0;
  const before = (call: string): void => void (reads += call === 'read' ? 1 : 0);
  const file = memoryFile(new Uint8Array(), { before });
  const openFile = async (): Promise<JournalFile> => file;
  await using journal = await openJournal(await pathIn(context), { openFile });
  const early = await Promise.all(made.slice(0, 200).map((record) => journal.append(record)));
  assert.deepEqual(await journal.read(early[199]!), made[199]);
  const later = await Promise.all(made.slice(200).map((record) => journal.append(record)));
  const places = [...early, ...later];
  const shuffled = made.map((_, i) => (i * 263) % made.length);
  const found = await Promise.all(shuffled.map((i) => journal.read(places[i]!)));
  assert.deepEqual(
    found,
    shuffled.map((i) => made[i]),
  );
  reads = 0;
  for (const [i, place] of places.entries()) assert.deepEqual(await journal.read(place), made[i]);
  assert.ok(reads < made.length / 8, `expected few reads of the file, found ${reads}`);
});

test('records come back in order, and the lock goes', async (context) => {
  const path = await pathIn(context);
  {
    await using journal = await openJournal(path);
    const places = await Promise.all(records.map((record) => journal.append(record)));
    assert.deepEqual(await journal.read(places[7]!), records[7]);
    await assert.rejects(journal.read({ position: 3, bytes: 60 }), { code: 'fileInvalid' });
    assert.deepEqual(readFileSync(path), whole);
    await journal.append({ kind: 'next group' });
  }
  const next = encodeRecord({ kind: 'next group' }, 0);
  assert.deepEqual(readFileSync(path), Buffer.concat([whole, next]));
  writeFileSync(path, whole);
  assert.deepEqual((await recordsOf(path)).found, records);
  assert.deepEqual(readdirSync(join(path, '..')), ['journal.jsonl']);
});

test('a journal cut at any byte gives exactly its whole records (10,000)', async () => {
  const ends = lines.map((_, i) => Buffer.concat(lines.slice(0, i + 1)).length);
  const cuts = fc.sample(fc.integer({ min: 0, max: whole.length }), { seed: 9, numRuns: 10_000 });
  for (const at of cuts) {
    const count = ends.filter((end) => end <= at).length;
    const file = memoryFile(whole.subarray(0, at));
    const found: JournalRecord[] = [];
    const { cutBytes } = await replayJournal(file, 'journal', (record) => found.push(record));
    assert.deepEqual(found, records.slice(0, Math.max(0, count - 1)), `cut at ${at}`);
    assert.equal(cutBytes, at - (ends[count - 1] ?? 0));
    assert.deepEqual(file.durable(), whole.subarray(0, ends[count - 1] ?? 0));
  }
});

test('a torn tail is cut before the next append', async (context) => {
  const path = await pathIn(context);
  for (const at of [0, 5, lines[0]!.length + 3, whole.length - 1]) {
    writeFileSync(path, whole.subarray(0, at));
    const before = (await recordsOf(path)).found;
    await using journal = await openJournal(path);
    assert.equal(journal.cutBytes, 0);
    await journal.append(records[3]!);
    await journal.close();
    assert.deepEqual((await recordsOf(path)).found, [...before, records[3]]);
  }
});

test('one flipped bit is found, wherever it is (10,000)', async () => {
  const flips = fc.sample(fc.integer({ min: 0, max: whole.length * 8 - 1 }), {
    seed: 10,
    numRuns: 10_000,
  });
  for (const flip of flips) {
    const bytes = Buffer.from(whole);
    bytes[flip >> 3]! ^= 1 << (flip & 7);
    const file = memoryFile(bytes);
    const replayed = replayJournal(file, 'journal', () => {});
    await assert.rejects(replayed, { code: 'fileInvalid' }, `bit ${flip}`);
    assert.deepEqual(file.bytes(), bytes, 'a damaged journal is left as it is');
  }
});

test('damage is named by file, byte and record', async (context) => {
  const path = await pathIn(context);
  const bytes = Buffer.from(whole);
  const start = Buffer.concat(lines.slice(0, 5)).length;
  bytes[start + 30]! ^= 4;
  writeFileSync(path, bytes);
  await assert.rejects(recordsOf(path), {
    code: 'fileInvalid',
    message: `${path}: damaged at byte ${start}, record 5: expected the checksum of the record`,
  });
  for (const version of [1, 3]) {
    // Every version begins with a line of this form, whatever its other lines look like.
    writeFileSync(path, Buffer.concat([encodeRecord({ ...first, version }), Buffer.from('other')]));
    const message = new RegExp(`expected .* version 2, received version ${version}`);
    await assert.rejects(recordsOf(path), { code: 'fileInvalid', message });
  }
  writeFileSync(path, 'id,text\n1,no journal\n');
  await assert.rejects(recordsOf(path), { message: /damaged at byte 0, record 0/ });
});

test('many appends become durable by few syncs, none before its own', async (context) => {
  const path = await pathIn(context);
  const file = memoryFile(Buffer.alloc(0), { writeLimit: 1000 });
  await using journal = await openJournal(path, { openFile: async () => file });
  const before = file.syncs();
  await Promise.all(
    records.map(async (record) => {
      const { position, bytes } = await journal.append(record);
      const line = encodeRecord(record, position - groupStart);
      assert.deepEqual(file.durable().subarray(position, position + bytes), line);
    }),
  );
  assert.equal(file.syncs() - before, 1);
  // Short writes went on where they stopped.
  assert.deepEqual(file.durable(), whole);
});

test('after a failed write or sync nothing more is written, and opening reads what is whole', async (context) => {
  const path = await pathIn(context);
  for (const call of ['write', 'datasync'] as const) {
    for (const code of ['ENOSPC', 'EIO']) {
      let left = -1;
      let calls = 0;
      const file = memoryFile(Buffer.alloc(0), {
        writeLimit: 64,
        before: (name) => {
          if (name !== call) return;
          calls += 1;
          if (left === 0) throw Object.assign(new Error(code), { code });
          left -= 1;
        },
      });
      const journal = await openJournal(path, { openFile: async () => file });
      const safe = records.slice(0, 5);
      for (const record of safe) await journal.append(record);
      left = call === 'write' ? 2 : 0;
      const failed = { code: 'ioFailed', message: `could not append to ${path}: ${code}` };
      const appended = records.slice(5).map((record) => journal.append(record));
      for (const result of await Promise.allSettled(appended)) {
        assert.equal(result.status, 'rejected');
        assert.equal((result.reason as Error).message, failed.message);
      }
      left = -1;
      const callsBefore = calls;
      await assert.rejects(journal.append(records[0]!), failed);
      assert.equal(calls, callsBefore, 'never tried again');
      await journal.close();
      assert.deepEqual((await recordsOf(path, memoryFile(file.durable()))).found, safe);
      const { found } = await recordsOf(path, memoryFile(file.bytes()));
      assert.deepEqual(found, records.slice(0, found.length));
      assert.ok(found.length >= safe.length);
    }
  }
});

test('a disk that takes no bytes fails the append', async (context) => {
  const path = await pathIn(context);
  const file = memoryFile(Buffer.alloc(0), { writeLimit: 0 });
  await assert.rejects(openJournal(path, { openFile: async () => file }), { code: 'ioFailed' });
});

test('records past the limits are refused, those at the limit kept', async (context) => {
  const path = await pathIn(context);
  const limit = 16 * 1024 * 1024;
  const largest = { text: 'x'.repeat(limit - '{"text":""}'.length) };
  {
    await using journal = await openJournal(path);
    await assert.rejects(journal.append({ text: `${largest.text}x` }), RangeError);
    await assert.rejects(journal.append([] as unknown as JournalRecord), TypeError);
    await journal.append(largest);
    await journal.append(records[0]!);
  }
  assert.deepEqual((await recordsOf(path)).found, [largest, records[0]]);
});

test('of two processes one has the journal, the other names it; a dead owner does not', async (context) => {
  const path = await pathIn(context);
  const module = import.meta.resolve('#dist/files/journal.js');
  const run = (code: string): string =>
    spawnSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { openJournal } = await import(process.argv[1]);\n${code}`,
        module,
        path,
      ],
      { encoding: 'utf8' },
    ).stdout;
  {
    await using journal = await openJournal(path);
    await journal.append(records[0]!);
    const said = run('await openJournal(process.argv[2]).catch((e) => console.log(e.message));');
    assert.match(said, new RegExp(`held by .*pid ${process.pid}`));
  }
  run(`const journal = await openJournal(process.argv[2]);
    await journal.append({ kind: 'claim' }); void journal.append({ kind: 'lost' });
    process.kill(process.pid, 'SIGKILL');`);
  const { found } = await recordsOf(path);
  assert.deepEqual(found.slice(0, 2), [records[0], { kind: 'claim' }]);
});

test('a link is not followed, a closed journal takes nothing, a missing folder is named', async (context) => {
  const path = await pathIn(context);
  symlinkSync(`${path}.elsewhere`, path);
  await assert.rejects(openJournal(path), { code: 'ioFailed', message: /ELOOP/ });
  const journal = await openJournal(`${path}.second`);
  const appended = journal.append(records[0]!);
  await Promise.all([journal.close(), journal.close()]);
  await appended;
  await assert.rejects(journal.append(records[1]!), { code: 'disposed' });
  await assert.rejects(openJournal(join(path, 'none', 'journal')), { code: 'ioFailed' });
});
