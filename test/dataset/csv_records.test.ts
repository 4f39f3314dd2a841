import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { readCsvRecords } from '#dist/dataset/csv_records.js';

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) {
    yield bytes.subarray(start, start + size);
  }
}

type Plain = readonly [line: number, ...fields: string[]] | string;

async function read(text: string, size: number = 7, maxBytes: number = 100): Promise<Plain[]> {
  const records: Plain[] = [];
  for await (const record of readCsvRecords(inChunks(Buffer.from(text), size), { maxBytes })) {
    records.push(
      record.problem === undefined
        ? [record.line, ...record.fields.map((field) => Buffer.from(field).toString())]
        : `${record.line}: ${record.problem}`,
    );
  }
  return records;
}

test('quotes, commas and line ends inside quotes, CRLF, a byte order mark, empty fields', async () => {
  assert.deepEqual(await read('\ufeffa,b\r\n"x\r\ny","2 ""q"""\r\n,\n\nlast,"end"'), [
    [1, 'a', 'b'],
    [2, 'x\r\ny', '2 "q"'],
    [4, '', ''],
    [5, ''],
    [6, 'last', 'end'],
  ]);
  assert.deepEqual(await read(''), []);
  assert.deepEqual(await read('a,'), [[1, 'a', '']]);
});

test('a stray quote costs its own line', async () => {
  assert.deepEqual(await read('a\n5" disk,1\n"x"y,2\n3\n'), [
    [1, 'a'],
    '2: expected quotes around a field that holds a quote, received none',
    '3: expected a comma or the end of the line after a closing quote',
    [4, '3'],
  ]);
});

test('a quote that is never closed costs the line that opened it', async () => {
  assert.deepEqual(await read('a\n"x,2\n3\n4\n'), [
    [1, 'a'],
    '2: expected a closing quote, received none before the end',
    [3, '3'],
    [4, '4'],
  ]);
});

test('a record over the limit costs its own lines, quoted or not', async () => {
  const long = 'x'.repeat(150);
  const tooLong = 'expected a record of at most 100 bytes, received more';
  for (const size of [1, 7, 1000]) {
    assert.deepEqual(await read(`a\n${long}\nb\n`, size), [[1, 'a'], `2: ${tooLong}`, [3, 'b']]);
    assert.deepEqual(await read(`a\n"${long}"\nb\n`, size), [[1, 'a'], `2: ${tooLong}`, [3, 'b']]);
  }
  const [first, second, third] = await read(`a\n"x\n${'y\n'.repeat(100)}`);
  assert.deepEqual([first, second, third], [[1, 'a'], `2: ${tooLong}`, [3, 'y']]);
});

test('well-formed files read as csv-parse reads them, in chunks of any size', async () => {
  const field = fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'é', '😀', ' ') });
  const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 3 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(rows, fc.integer({ min: 1, max: 9 }), async (table, size) => {
      const quoted = (value: string): string => `"${value.replaceAll('"', '""')}"`;
      const text = table.map((row) => `${row.map(quoted).join(',')}\r\n`).join('');
      const expected: string[][] = parse(text, { relax_column_count: true });
      const received = await read(text, size, 1e6);
      assert.deepEqual(
        received.map((record) => record.slice(1)),
        expected,
      );
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('the size of the chunks changes nothing, whatever the text', async () => {
  const text = fc.string({ unit: fc.constantFrom('"', ',', '\n', 'a', '\r') });
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (csv, size) => {
      assert.deepEqual(await read(csv, size, 1e6), await read(csv, 1e6, 1e6));
    }),
    { numRuns: 500, seed: 1 },
  );
});
