import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { writeExamples, writtenFormats } from '#dist/dataset/example_writers.js';
import type { WritableExample } from '#dist/dataset/example_writers.js';
import { readExample, serializeExample } from '#dist/generate/example.js';
import { temporaryFolder } from '../temporary_folder.js';
import { rowsOfFile } from './example_files.js';

const provenance = [
  {
    template: { id: 'simgpt', version: 1, hash: 'a'.repeat(64) },
    model: 'm',
    decoding: { temperature: 1 },
    seed: 3,
    sourceId: '9',
  },
];

const full = {
  id: 'x',
  anchor: 'a, "b"\nc',
  positive: ' é😀\t',
  hardNegatives: ['=1+1', '-2'],
  positiveScore: 4.5,
  negativeScore: 0,
  instruction: 'i',
  task: 't',
  group: 'g',
  source: 's',
};
const bare = { id: 'y', anchor: 'a', positive: 'b', hardNegatives: ['c', 'd'], source: 's' };

test('jsonl and Parquet give back what they were given; so does CSV of the texts', async (context) => {
  const folder = await temporaryFolder(context);
  for (const format of writtenFormats) {
    const path = join(folder, `s.${format}`);
    const counts = await writeExamples(path, format, [full, bare]);
    assert.deepEqual(counts, { rows: 2, formulas: format === 'csv' ? 2 : 0 });
    const expected =
      format === 'csv'
        ? [full, bare].map(({ anchor, positive, hardNegatives }, i) => ({
            id: String(i + 1),
            anchor,
            positive,
            hardNegatives,
            source: 's',
          }))
        : [full, bare];
    assert.deepEqual(await rowsOfFile(path), expected);
    const bytes = await readFile(path);
    await writeExamples(path, format, [full, bare]);
    assert.deepEqual(await readFile(path), bytes, 'equal rows, equal bytes');
    await writeFile(`${path}.gz`, gzipSync(bytes));
    assert.deepEqual(await rowsOfFile(`${path}.gz`), expected);
  }
});

test('any texts survive every form', async (context) => {
  const folder = await temporaryFolder(context);
  const text = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .filter((t) => t.trim() !== '' && Buffer.from(t).toString() === t);
  const row = fc.record({ anchor: text, positive: text, hardNegatives: fc.tuple(text, text) });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
      for (const format of ['jsonl', 'csv'] as const) {
        const path = join(folder, `s.${format}`);
        const examples = rows.map((texts, i) => ({ id: String(i + 1), source: 's', ...texts }));
        await writeExamples(path, format, examples);
        assert.deepEqual(await rowsOfFile(path), examples);
      }
    }),
    { numRuns: 100, seed: 2 },
  );
});

test('a generated row keeps its bytes through jsonl, and its provenance through Parquet', async (context) => {
  const folder = await temporaryFolder(context);
  const line = serializeExample({ ...full, provenance });
  const [generated, parquet, back] = ['g.jsonl', 'g.parquet', 'b.jsonl'].map((n) =>
    join(folder, n),
  );
  await writeExamples(generated!, 'jsonl', [{ ...full, provenance }]);
  assert.equal(await readFile(generated!, 'utf8'), `${line}\n`);
  const rows = (await rowsOfFile(generated!, { keepRecords: true })) as WritableExample[];
  await writeExamples(parquet!, 'parquet', rows);
  const kept = (await rowsOfFile(parquet!, { keepRecords: true })) as WritableExample[];
  await writeExamples(back!, 'jsonl', kept);
  assert.equal(await readFile(back!, 'utf8'), `${line}\n`);
  assert.deepEqual(readExample(line, 'line').provenance, provenance);
});

test('a record kept is written as it is, whatever its names and spaces', async (context) => {
  const path = join(await temporaryFolder(context), 'r.jsonl');
  const record = '{ "sent0":"a", "sent1":"b", "__proto__":{"x":1}, "id":12345678901234567890 }';
  await writeFile(path, `${record}\n`);
  const rows = (await rowsOfFile(path, { keepRecords: true })) as WritableExample[];
  assert.equal(rows[0]!.id, '12345678901234567890');
  await writeExamples(path, 'jsonl', rows);
  assert.equal(await readFile(path, 'utf8'), `${record}\n`);
});

test('CSV for a trainer keeps texts; for a spreadsheet, 500 formulas are neutralised', async (context) => {
  const path = join(await temporaryFolder(context), 'f.csv');
  const starts = ['=', '+', '-', '@', ' =', '\t=', '\n@', '\r+', '\t', '\u00a0-'];
  const texts = Array.from({ length: 500 }, (_, i) => `${starts[i % 10]!}HYPERLINK("x${i}")`);
  const rows = texts.map((anchor, i) => ({
    id: String(i),
    anchor,
    positive: 'b',
    hardNegatives: [],
  }));
  assert.equal((await writeExamples(path, 'csv', rows)).formulas, 500);
  const read = (await rowsOfFile(path)) as WritableExample[];
  assert.deepEqual(
    read.map(({ anchor }) => anchor),
    texts,
  );
  const safe = await writeExamples(path, 'csv', rows, { csvFor: 'spreadsheet' });
  assert.equal(safe.formulas, 500);
  const guarded = (await rowsOfFile(path)) as WritableExample[];
  assert.deepEqual(
    guarded.map(({ anchor }) => anchor),
    texts.map((text) => `'${text}`),
  );
});

test('a CSV has as many hard negatives throughout as in its first row, or none is written', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'r.csv');
  const ragged = [bare, { ...bare, id: 'z', hardNegatives: ['c'] }];
  await assert.rejects(writeExamples(path, 'csv', ragged), {
    code: 'dataInvalid',
    message:
      'expected 2 hard negatives in every row of a CSV as in its first, received 1 in row "z"',
  });
  assert.deepEqual(await readdir(folder), []);
  await writeExamples(path, 'csv', [{ ...bare, hardNegatives: [] }]);
  assert.equal(await readFile(path, 'utf8'), 'sent0,sent1\na,b\n');
});

test('rows that fail on the way leave the old file and nothing else, in every form', async (context) => {
  const folder = await temporaryFolder(context);
  for (const format of writtenFormats) {
    const path = join(folder, `s.${format}`);
    await writeFile(path, 'old');
    const failing = (async function* () {
      yield bare;
      throw new RangeError('expected better rows');
    })();
    await assert.rejects(writeExamples(path, format, failing), /expected better rows/);
    assert.equal(await readFile(path, 'utf8'), 'old');
  }
  assert.equal((await readdir(folder)).length, 3);
});
