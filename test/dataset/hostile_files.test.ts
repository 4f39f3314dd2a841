import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readExamples } from '#dist/dataset/examples.js';
import type { ReadExamplesOptions } from '#dist/dataset/examples.js';
import { SimgptError } from '#dist/errors.js';
import { temporaryFolder } from '../temporary_folder.js';

const good = '{"anchor":"a","positive":"b"}';
const deep = (levels: number): string =>
  `{"anchor":"a","positive":"b","x":${'['.repeat(levels)}${']'.repeat(levels)}}`;
const megabytes = (count: number): string => 'x'.repeat(count * 2 ** 20);
const gz = (content: string): Buffer => gzipSync(content);

/** A file, what must be said of it and, for a row, on which line. Rows around it must be read. */
type Crafted = readonly [
  name: string,
  content: string | Uint8Array,
  line: number | null,
  says: RegExp,
  options?: ReadExamplesOptions,
];

const crafted: readonly Crafted[] = [
  ['torn.jsonl', `${good}\n{"anchor":"a","posi`, 2, /does not parse/],
  [
    'long.jsonl',
    `{"anchor":"${megabytes(17)}","positive":"b"}\n${good}`,
    1,
    /at most 16777216 bytes/,
  ],
  [
    'text.jsonl',
    `${good}\n{"anchor":"a","positive":"${megabytes(5)}"}`,
    2,
    /a text of at most 4194304/,
  ],
  ['deep.jsonl', `${good}\n${deep(64)}\n${good}`, 2, /at most 64 levels deep/],
  ['deeper.jsonl', `${deep(1_000_000)}\n${good}`, 1, /at most 64 levels deep/],
  ['objects.jsonl', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}\n${good}`, 1, /64 levels/],
  ['twice.jsonl', `{"anchor":"a","anchor":"c","positive":"b"}\n${good}`, 1, /each key once/],
  [
    'escaped.jsonl',
    `{"anchor":"a","\\u0061nchor":"c","positive":"b"}\n${good}`,
    1,
    /"anchor" twice/,
  ],
  ['proto.jsonl', `{"__proto__":{"anchor":"a","positive":"b"}}\n${good}`, 1, /anchor: .* nothing/],
  ['nul.jsonl', Buffer.from([0, 0, 0, 10]), 1, /expected a JSON object/],
  ['utf16.jsonl', Buffer.from(good, 'utf16le'), 1, /expected a JSON object|UTF-8/],
  ['utf8.jsonl', Buffer.concat([Buffer.from([0xff, 10]), Buffer.from(good)]), 1, /expected UTF-8/],
  [
    'overlong.jsonl',
    Buffer.concat([
      Buffer.from('{"anchor":"'),
      Buffer.from([0xc0, 0x80]),
      Buffer.from('","positive":"b"}'),
    ]),
    1,
    /UTF-8/,
  ],
  ['bom.jsonl', `\ufeff\ufeff${good}\n${good}`, 1, /expected a JSON object/],
  ['comment.jsonl', `// no\n${good}`, 1, /expected a JSON object/],
  ['array.jsonl', `[${good}]`, 1, /expected a JSON object, received something else/],
  ['trailing.jsonl', `${good},\n${good}`, 1, /does not parse/],
  ['two.jsonl', `${good}${good}\n${good}`, 1, /does not parse/],
  ['nan.jsonl', '{"anchor":"a","positive":"b","positiveScore":NaN}', 1, /does not parse/],
  [
    'huge.jsonl',
    '{"anchor":"a","positive":"b","positiveScore":1e400}',
    1,
    /positiveScore: expected a finite/,
  ],
  ['minus.jsonl', '{"anchor":"a","positive":"b","positiveScore":-1e400}', 1, /expected a finite/],
  ['id.jsonl', '{"anchor":"a","positive":"b","id":"a\\nb"}', 1, /id: expected an id/],
  [
    'idlong.jsonl',
    `{"anchor":"a","positive":"b","id":"${'i'.repeat(1025)}"}`,
    1,
    /at most 1024 bytes/,
  ],
  [
    'iddigits.jsonl',
    `{"anchor":"a","positive":"b","id":${'9'.repeat(1025)}}`,
    1,
    /at most 1024 bytes/,
  ],
  [
    'escape.jsonl',
    '{"anchor":"a","positive":"b","source":"\\u001b]0;x\\u0007"}',
    1,
    /source: expected/,
  ],
  ['blank.jsonl', `{"anchor":"\\u00a0\\u2003","positive":"b"}\n${good}`, 1, /an empty one/],
  [
    'negatives.jsonl',
    `{"anchor":"a","positive":"b","hardNegatives":[[]]}\n${good}`,
    1,
    /received a list/,
  ],
  ['quote.csv', 'sent0,sent1\n"a,b\nc,d\n', 2, /expected a closing quote/],
  ['stray.csv', 'sent0,sent1\n"a"x,b\nc,d\n', 2, /after a closing quote/],
  ['bare.csv', 'sent0,sent1\na"b,c\nc,d\n', 2, /quotes around a field/],
  ['width.csv', 'sent0,sent1\na,b,c\nc,d\n', 2, /expected 2 fields, received 3/],
  ['cell.csv', `sent0,sent1\n"${megabytes(5)}",b\nc,d\n`, 2, /a text of at most 4194304/],
  ['record.csv', `sent0,sent1\n"${megabytes(17)}",b\nc,d\n`, 2, /a record of at most 16777216/],
  ['proto.csv', '__proto__,constructor\na,b\n', null, /line 1: expected a column anchor/],
  ['header.csv', 'sent0,sent1,sent1\na,b,c\n', null, /line 1: expected one field for positive/],
  ['empty.csv', '', null, /expected at least one record/],
  ['width.tsv', 'sent0\tsent1\na\nc\td\n', 2, /expected 2 fields, received 1/],
  ['quoted.tsv', '"sent0"\t"sent1"\na\tb\n', null, /line 1: expected a column anchor/],
  ['four.tsv', 'a\tb\tc\td\n', null, /one to three columns by position/, { byPosition: 'header' }],
  ['line.txt', `${megabytes(5)}\nshort\n`, 1, /a line of at most 4194304 bytes/],
  ['latin1.txt', Buffer.from('caf\xe9\nshort\n', 'latin1'), 1, /expected UTF-8/],
  [
    'bomb.jsonl.gz',
    gzipSync(Buffer.alloc(2 ** 26, 10)),
    null,
    /line \d+: expected at most 200 bytes/,
  ],
  [
    'torn.jsonl.gz',
    gz(`${good}\n`).subarray(0, 30),
    null,
    /line \d+: expected gzip data to its end/,
  ],
  ['plain.jsonl.gz', good, null, /expected gzip data in .*, received other bytes/],
  ['twice.jsonl.gz', gzipSync(gz(`${good}\n`)), 1, /expected UTF-8|expected a JSON object/],
];

test(`${crafted.length} crafted files: a typed error or a problem with its line, the rest is read`, async (context) => {
  const folder = await temporaryFolder(context);
  for (const [name, content, line, says, options] of crafted) {
    const path = join(folder, name);
    await writeFile(path, content);
    const problems: { line: number; says: string }[] = [];
    let failure: unknown;
    try {
      for await (const row of readExamples(path, options)) {
        if (row.problem !== undefined) {
          problems.push({ line: row.line, says: `${row.field ?? 'record'}: ${row.problem}` });
        }
      }
    } catch (error) {
      failure = error;
    }
    if (line === null) {
      assert.ok(failure instanceof SimgptError, `${name}: ${String(failure)}`);
      assert.equal(failure.code, 'dataInvalid', name);
      assert.match(failure.message, says, name);
      assert.ok(failure.message.includes(name), `${name} is named`);
    } else {
      assert.equal(failure, undefined, name);
      assert.equal(problems[0]?.line, line, name);
      assert.match(problems[0].says, says, name);
      assert.equal(problems.length, 1, `${name}: ${JSON.stringify(problems.slice(0, 3))}`);
    }
  }
});

test('200 keys that prototypes know are data, as names and as values', async (context) => {
  const path = join(await temporaryFolder(context), 'p.jsonl');
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
  const rows = Array.from({ length: 200 }, (_, i) => {
    const key = names[i % names.length]!;
    return `{"${key}":{"x":${i}},"anchor":"a","positive":"b","source":"${key}","group":"${key}"}`;
  });
  await writeFile(path, rows.join('\n'));
  let count = 0;
  for await (const row of readExamples(path)) {
    assert.equal(row.problem, undefined);
    assert.equal(row.problem === undefined && row.source, names[count % names.length]);
    count++;
  }
  assert.equal(count, 200);
  assert.equal(({} as { x?: unknown }).x, undefined);
  // As the name of a column that holds the anchor.
  await writeFile(path, '{"__proto__":"a","constructor":"b"}');
  for await (const row of readExamples(path, {
    columns: { anchor: '__proto__', positive: 'constructor' },
  })) {
    assert.deepEqual(row.problem === undefined && [row.anchor, row.positive], ['a', 'b']);
  }
});
