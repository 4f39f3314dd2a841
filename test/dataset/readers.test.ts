import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatasetFormat } from '#dist/dataset/input.js';
import { formatOfName } from '#dist/dataset/input.js';
import { readTexts } from '#dist/dataset/readers.js';
import type { ReadTextsOptions } from '#dist/dataset/readers.js';

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function read(
  format: DatasetFormat,
  content: string | Uint8Array,
  options: Partial<ReadTextsOptions> = {},
): Promise<unknown[]> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const rows: unknown[] = [];
  for await (const row of readTexts({ name: 'in', chunks: once(bytes) }, { format, ...options })) {
    rows.push(
      row.problem === undefined
        ? [row.line, row.id, row.text, ...(row.replaced ? ['replaced'] : [])]
        : [row.line, row.field, row.problem],
    );
  }
  return rows;
}

test('txt: a line is a text, an empty line is an empty text', async () => {
  assert.deepEqual(await read('txt', '\ufeffone\r\n\n"two"\tx\nlast'), [
    [1, '1', 'one'],
    [2, '2', ''],
    [3, '3', '"two"\tx'],
    [4, '4', 'last'],
  ]);
});

test('a line that is not UTF-8 is reported, and the next is read', async () => {
  const bytes = Buffer.concat([Buffer.from('a\n'), Buffer.of(0xc3, 0x28, 0x0a), Buffer.from('b')]);
  const expected = [
    [1, '1', 'a'],
    [2, null, 'expected UTF-8, received other bytes'],
    [3, '3', 'b'],
  ];
  assert.deepEqual(await read('txt', bytes), expected);
  const header = Buffer.from('text\n');
  for (const format of ['csv', 'tsv'] as const) {
    assert.deepEqual((await read(format, Buffer.concat([header, bytes])))[1], [
      3,
      null,
      'expected UTF-8, received other bytes',
    ]);
  }
});

test('jsonl: ids are strings, long numbers keep their digits, blank lines are none', async () => {
  const lines = [
    '{"text": "a", "id": "x"}',
    '  {"id":12345678901234567890 , "text":"b\\u0041"}',
    '',
    '{"text":"c","id":null,"more":{"text":["}",1]}}',
    '{"text":"d","id":-1.50}\r',
  ];
  assert.deepEqual(await read('jsonl', lines.join('\n')), [
    [1, 'x', 'a'],
    [2, '12345678901234567890', 'bA'],
    [4, '3', 'c'],
    [5, '-1.50', 'd'],
  ]);
});

test('jsonl: what is no record is reported with its field and reason', async () => {
  const depth = (levels: number): string =>
    `{"text":"a","x":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
  const cases: readonly (readonly [line: string, field: string | null, problem: RegExp])[] = [
    ['["text"]', null, /expected a JSON object, received something else/],
    ['{"text":"a"', null, /does not parse/],
    ['{"text":NaN}', null, /does not parse/],
    ['{"text":1}', 'text', /expected a string, received a number/],
    ['{"text":null}', 'text', /expected a string, received null/],
    ['{"txt":"a"}', 'text', /expected a string, received nothing/],
    ['{"text":"a","id":{}}', 'id', /expected a string or a number, received an object/],
    ['{"text":"a","id":"a\\u0007"}', 'id', /without control characters/],
    [`{"text":"a","id":"${'i'.repeat(1025)}"}`, 'id', /at most 1024 bytes/],
    ['{"text":"a","te\\u0078t":"b"}', null, /expected each key once, received "text" twice/],
    [depth(65), null, /at most 64 levels deep/],
    [`{"text":"${'é'.repeat(2 ** 21 + 1)}"}`, 'text', /at most 4194304 bytes, received 4194306/],
  ];
  const rows = await read('jsonl', cases.map(([line]) => line).join('\n'));
  for (const [i, [line, field, problem]] of cases.entries()) {
    const [number, receivedField, received] = rows[i] as [number, string | null, string];
    assert.deepEqual([number, receivedField], [i + 1, field], line.slice(0, 60));
    assert.match(received, problem);
  }
  assert.deepEqual(await read('jsonl', depth(64)), [[1, '1', 'a']]);
});

test('a line over 16 MB is reported by its size', async () => {
  const long = Buffer.alloc(16 * 2 ** 20 + 1, 'x');
  const bytes = Buffer.concat([long, Buffer.from('\n{"text":"a"}\n')]);
  assert.deepEqual(await read('jsonl', bytes), [
    [1, null, 'expected a line of at most 16777216 bytes, received 16777217'],
    [2, '2', 'a'],
  ]);
});

test('200 spellings of __proto__ and its kin are data', async () => {
  for (let i = 0; i < 200; i++) {
    const key = ['__proto__', 'constructor', 'prototype', 'toString'][i % 4]!;
    const json = `{"${key}":{"polluted":${i}},"text":"t${i}","id":"${key}"}`;
    assert.deepEqual(await read('jsonl', json), [[1, key, `t${i}`]]);
    assert.deepEqual(await read('jsonl', `{"${key}":"v${i}"}`, { textField: key }), [
      [1, '1', `v${i}`],
    ]);
    assert.deepEqual(await read('csv', `${key}\nv${i}\n`, { textField: key }), [[2, '1', `v${i}`]]);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('half of a broken surrogate pair becomes U+FFFD and is flagged', async () => {
  const rows = await read('jsonl', '{"text":"a\\ud800b"}\n{"text":"\\udc00\\ud83d\\ude00"}');
  assert.deepEqual(rows, [
    [1, '1', 'a\ufffdb', 'replaced'],
    [2, '2', '\ufffd😀', 'replaced'],
  ]);
});

test('csv and tsv: columns by name, quotes only in csv', async () => {
  assert.deepEqual(await read('csv', 'id,text\r\n1,"a, ""b"""\r\n\r\n2,\r\n'), [
    [2, '1', 'a, "b"'],
    [4, '2', ''],
  ]);
  assert.deepEqual(await read('tsv', 'text\tid\n"a"\t7\n\nb\t8\r\n'), [
    [2, '7', '"a"'],
    [4, '8', 'b'],
  ]);
  assert.deepEqual(await read('csv', 'text\na\n\nb\n'), [
    [2, '1', 'a'],
    [3, '2', ''],
    [4, '3', 'b'],
  ]);
});

test('csv: a row of another width or with a stray quote is reported, the rest is read', async () => {
  assert.deepEqual(await read('csv', 'id,text\n1\n2,b,c\n3,5" disk\n4,d\n'), [
    [2, null, 'expected 2 fields, received 1'],
    [3, null, 'expected 2 fields, received 3'],
    [4, null, 'expected quotes around a field that holds a quote, received none'],
    [5, '4', 'd'],
  ]);
});

test('the data set of a record is read where it is asked for', async () => {
  const sourceOf = async (format: DatasetFormat, content: string, sourceField?: string) => {
    const source = { name: 'in', chunks: once(Buffer.from(content)) };
    const found: unknown[] = [];
    const options = sourceField === undefined ? { format } : { format, sourceField };
    for await (const row of readTexts(source, options)) {
      found.push(row.problem === undefined ? row.source : [row.field, row.problem]);
    }
    return found;
  };
  const lines = ['"x"', 'null', '7', '{}', '"\\u0007"'].map((json) => `{"text":"a","set":${json}}`);
  const jsonl = [...lines, '{"text":"a"}'].join('\n');
  assert.deepEqual(await sourceOf('jsonl', jsonl, 'set'), [
    'x',
    undefined,
    '7',
    ['set', 'expected a string or a number, received an object'],
    ['set', 'expected a source of at most 1024 bytes without control characters'],
    undefined,
  ]);
  assert.deepEqual(await sourceOf('jsonl', lines[3]!), [undefined]);
  assert.deepEqual(await sourceOf('csv', 'set,text\nx,a\n,b\n', 'set'), ['x', undefined]);
  assert.deepEqual(await sourceOf('tsv', 'text\na\n', 'set'), [undefined]);
});

test('a file without the column, with it twice, or without a record is refused whole', async () => {
  const refused: readonly (readonly [DatasetFormat, string, RegExp, Partial<ReadTextsOptions>?])[] =
    [
      ['csv', 'a,b\n1,2\n', /expected one column "text" on line 1 of in, received "a", "b"/],
      ['csv', 'text,text\n1,2\n', /expected one column "text"/],
      ['tsv', 'text\tb\nx\ty\n', /expected one column "key"/, { idField: 'key' }],
      ['csv', 'a"b\n', /in, line 1: expected quotes around/],
      ...(['txt', 'jsonl', 'csv', 'tsv'] as const).map(
        (format) => [format, '', /expected at least one record in in, found none/] as const,
      ),
      ['csv', 'text\n', /expected at least one record/],
      ['jsonl', '\n \n', /expected at least one record/],
    ];
  for (const [format, content, message, options] of refused) {
    await assert.rejects(read(format, content, options), { code: 'dataInvalid', message });
  }
});

test('an id field that was asked for must be there', async () => {
  assert.deepEqual(await read('jsonl', '{"text":"a","key":1}\n{"text":"b"}', { idField: 'key' }), [
    [1, '1', 'a'],
    [2, 'key', 'expected a string or a number, received nothing'],
  ]);
});

test('the form follows the extension, and others are refused by name', () => {
  assert.equal(formatOfName('/x.y/Data.NDJSON'), 'jsonl');
  assert.equal(formatOfName('a.tsv'), 'tsv');
  assert.equal(formatOfName('a.jsonl.gz'), 'jsonl');
  for (const name of ['a/b.c/parquet', 'a.gz', '.gz', 'a.parquet', 'a.tsv.gz.gz']) {
    assert.throws(() => formatOfName(name), {
      code: 'unsupported',
      message: /or name the form with --input-format/,
    });
  }
});
