import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  DateMillisecond,
  Dictionary,
  Field,
  Int32,
  Int64,
  LargeUtf8,
  List,
  Table,
  Utf8,
  tableToIPC,
  vectorFromArray,
} from 'apache-arrow';
import { writeExamples } from '#dist/dataset/example_writers.js';
import { readExamples } from '#dist/dataset/examples.js';
import { readParquetRows } from '#dist/dataset/parquet_reader.js';
import { loadParquet, withMaximum } from '#dist/dataset/parquet_wasm.js';
import { SimgptError } from '#dist/errors.js';
import { fillPhilox } from '#dist/random/philox.js';
import { temporaryFolder } from '../temporary_folder.js';
import { rowsOfFile } from './example_files.js';

/** A Parquet file of an Arrow table, as other programs write them. */
function parquetOf(table: Table): Uint8Array {
  const { Table: Native, writeParquet } = loadParquet();
  return writeParquet(Native.fromIPCStream(tableToIPC(table, 'stream')));
}

test('columns of other programs: large and dictionary strings, numbers as ids, nulls, lists', async (context) => {
  const path = join(await temporaryFolder(context), 'p.parquet');
  const table = new Table({
    id: vectorFromArray([2n ** 60n, 7n], new Int64()),
    anchor: vectorFromArray(['a', 'b'], new LargeUtf8()),
    positive: vectorFromArray(['p', 'p'], new Dictionary(new Utf8(), new Int32())),
    hardNegatives: vectorFromArray(
      [['n', 'm'], null],
      new List(new Field('item', new Utf8(), true)),
    ),
    positiveScore: vectorFromArray([3, null], new Int32()),
    unread: vectorFromArray([new Date(0), null], new DateMillisecond()),
  });
  await writeFile(path, parquetOf(table));
  assert.deepEqual(await rowsOfFile(path), [
    {
      id: '1152921504606846976',
      anchor: 'a',
      positive: 'p',
      hardNegatives: ['n', 'm'],
      positiveScore: 3,
      source: 'p',
    },
    { id: '7', anchor: 'b', positive: 'p', hardNegatives: [], source: 'p' },
  ]);
});

test('a row that is no example is reported by its number, a file without the columns refused', async (context) => {
  const path = join(await temporaryFolder(context), 'p.parquet');
  const text = (values: readonly (string | null)[]) => vectorFromArray(values, new Utf8());
  const table = new Table({ sent0: text(['a', null, 'c']), sent1: text(['b', 'b', ' ']) });
  await writeFile(path, parquetOf(table));
  assert.deepEqual(await rowsOfFile(path), [
    { id: '1', anchor: 'a', positive: 'b', hardNegatives: [], source: 'p' },
    [2, 'sent0', 'expected a string, received null'],
    [3, 'sent1', 'expected a text, received an empty one'],
  ]);
  const columns = { anchor: 'none' };
  await assert.rejects(
    rowsOfFile(path, { columns }),
    /p\.parquet, schema: expected one column "none"/,
  );
  await assert.rejects(rowsOfFile(`${path}.x`, { format: 'parquet' }), { code: 'fileNotFound' });
  await assert.rejects(rowsOfFile('-', { format: 'parquet' }), { code: 'unsupported' });
  const stop = AbortSignal.abort();
  await assert.rejects(rowsOfFile(path, { signal: stop }), { code: 'cancelled' });
});

test('bytes changed or cut anywhere end in a sentence with file and row, or in rows', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'p.parquet');
  const rows = Array.from({ length: 300 }, (_, i) => ({
    id: String(i),
    anchor: `anchor ${i}`,
    positive: `positive ${i * 7}`,
    hardNegatives: [`negative ${i}`],
  }));
  await writeExamples(path, 'parquet', rows);
  const whole = await readFile(path);
  const trial = async (bytes: Uint8Array): Promise<void> => {
    await writeFile(path, bytes);
    try {
      for await (const row of readExamples(path)) {
        assert.ok(row.line > 0);
      }
    } catch (error) {
      assert.ok(error instanceof SimgptError, String(error));
      assert.equal(error.code, 'dataInvalid');
      assert.match(error.message, /p\.parquet(?:, (?:row \d+|schema): expected|, found none)/);
    }
  };
  const draws = new Uint32Array(4 * 14);
  fillPhilox(draws, { seed: 1, stream: 1, draw: 1 });
  for (let i = 0; i < 14; i++) {
    const [place, value, kind, length] = draws.subarray(4 * i, 4 * i + 4) as unknown as number[];
    const bytes = Buffer.from(whole);
    // The footer, where the lies that allocate are told, as often as the rest.
    const from = kind! % 2 === 0 ? 0 : whole.length - 1500;
    bytes[from + (place! % (whole.length - from))] = value!;
    await trial(kind! % 8 === 0 ? bytes.subarray(0, length! % whole.length) : bytes);
  }
  for (const lie of ['', 'PAR1PAR1', 'PAR1\xff\xff\xff\x7fPAR1']) {
    await trial(Buffer.from(lie, 'latin1'));
  }
});

const mebibyte = 2 ** 20;

test('one value told many times over passes in the memory of a few', async (context) => {
  const path = join(await temporaryFolder(context), 'p.parquet');
  const text = vectorFromArray(
    Array.from({ length: 256 }, () => 'x'.repeat(mebibyte)),
    new Dictionary(new Utf8(), new Int32()),
  );
  await writeFile(path, parquetOf(new Table({ anchor: text })));
  assert.ok((await readFile(path)).length < 2 * mebibyte);
  const before = process.memoryUsage().rss;
  let rows = 0;
  let most = 0;
  for await (const row of readExamples(path, { columns: { positive: 'anchor' } })) {
    assert.equal(row.problem, undefined);
    rows++;
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  assert.equal(rows, 256);
  assert.ok(most < 384 * mebibyte, `${most} bytes`);
});

test('what decodes to more than the bound is refused with the row, and so is a row too long', async (context) => {
  const path = join(await temporaryFolder(context), 'p.parquet');
  const { Table: Native, WriterPropertiesBuilder, writeParquet } = loadParquet();
  const long = vectorFromArray(
    Array.from({ length: 64 }, () => 'x'.repeat(mebibyte)),
    new Utf8(),
  );
  const native = Native.fromIPCStream(tableToIPC(new Table({ anchor: long }), 'stream'));
  const properties = new WriterPropertiesBuilder().setDictionaryPageSizeLimit(8 * mebibyte).build();
  const bytes = writeParquet(native, properties);
  assert.ok(bytes.length < 2 * mebibyte);
  await writeFile(path, bytes);
  const read = (decoderBytes?: number) => async (): Promise<void> => {
    for await (const row of readParquetRows(path, {
      columns: { positive: 'anchor' },
      decoderBytes,
    })) {
      assert.equal(row.values.value('anchor'), 'x'.repeat(mebibyte));
    }
  };
  await read()();
  await assert.rejects(read(64 * mebibyte), {
    code: 'dataInvalid',
    message: /p\.parquet, row 1: expected Parquet that decodes within 67108864 bytes/,
  });
  const item = new Field('item', new Dictionary(new Utf8(), new Int32()), true);
  const many = vectorFromArray(
    [Array.from({ length: 17 }, () => 'x'.repeat(mebibyte))],
    new List(item),
  );
  const one = vectorFromArray(['a'], new Utf8());
  await writeFile(path, parquetOf(new Table({ anchor: one, positive: one, hardNegatives: many })));
  await assert.rejects(rowsOfFile(path), /row 1: .* a row of more than 16777216 characters/);
});

test('the module of parquet-wasm gets a maximum for its memory, any other is refused', () => {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const module = Uint8Array.from([...header, 1, 1, 0, 5, 3, 1, 0, 34, 7, 1, 0]);
  assert.deepEqual(
    [...withMaximum(module, 16_384)],
    [...header, 1, 1, 0, 5, 6, 1, 1, 34, 0x80, 0x80, 1, 7, 1, 0],
  );
  const bounded = Uint8Array.from([...header, 5, 4, 1, 1, 34, 99]);
  assert.throws(() => withMaximum(bounded, 16_384), /expected one memory without a maximum/);
  assert.throws(() => withMaximum(Uint8Array.from(header), 1), /expected a memory/);
});
