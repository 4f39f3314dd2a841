import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { exampleFormatOfName } from '#dist/dataset/example_formats.js';
import { readExamples } from '#dist/dataset/examples.js';
import type { ReadExamplesOptions } from '#dist/dataset/examples.js';
import { serializeExample } from '#dist/generate/example.js';
import { temporaryFolder } from '../temporary_folder.js';

function inMemory(name: string, content: string | Uint8Array) {
  const chunks = (async function* () {
    yield typeof content === 'string' ? Buffer.from(content) : content;
  })();
  return { name, chunks };
}

/** Examples as they are without `line` and `replaced: false`, problems as [line, field, problem]. */
async function read(name: string, content: string, options: ReadExamplesOptions = {}) {
  const rows: unknown[] = [];
  for await (const row of readExamples(inMemory(name, content), options)) {
    if (row.problem !== undefined) {
      rows.push([row.line, row.field, row.problem]);
    } else {
      const { line: _line, replaced, ...rest } = row;
      rows.push({ ...rest, ...(replaced ? { replaced } : {}) });
    }
  }
  return rows;
}

const pair = { anchor: 'a', positive: 'b', hardNegatives: [], source: 'in' };

test('txt is unsupervised: anchor and positive are the line', async () => {
  assert.deepEqual(await read('wiki.txt', 'one\n\ntwo\n'), [
    { id: '1', anchor: 'one', positive: 'one', hardNegatives: [], source: 'wiki' },
    [2, 'text', 'expected a text, received an empty one'],
    { id: '3', anchor: 'two', positive: 'two', hardNegatives: [], source: 'wiki' },
  ]);
});

test('jsonl: every field of the example format, both ways of naming the texts', async () => {
  const full = {
    id: 'x',
    anchor: 'a',
    positive: 'b',
    hardNegatives: ['c', 'd'],
    positiveScore: 4.5,
    negativeScore: 0,
    instruction: 'i',
    task: 't',
    group: 'g',
    source: 's',
  };
  const lines = [full, { anchor: 'a', positive: 'b', more: { source: 'no' }, task: null }].map(
    (line) => JSON.stringify(line),
  );
  // Numbers past 2^53 keep their digits.
  lines.splice(
    1,
    0,
    '{"sent0":"a","sent1":"b","hard_neg":"c","hard_neg_2":"d","id":7,"group":12345678901234567890}',
  );
  assert.deepEqual(await read('in.jsonl', lines.join('\n')), [
    full,
    { ...pair, id: '7', hardNegatives: ['c', 'd'], group: '12345678901234567890' },
    { ...pair, id: '3' },
  ]);
});

test('a generated row is read with its provenance, and its line kept, where asked', async () => {
  const provenance = [
    {
      template: { id: 'simgpt', version: 1, hash: 'a'.repeat(64) },
      model: 'm',
      decoding: { temperature: 1 },
      seed: 3,
      sourceId: '9',
    },
  ];
  const line = serializeExample({
    id: '1',
    anchor: 'a',
    positive: 'b',
    hardNegatives: [],
    provenance,
  });
  const kept = {
    ...pair,
    id: '1',
    record: line,
    provenance: JSON.stringify(JSON.parse(line).provenance),
  };
  assert.deepEqual(await read('in.jsonl', line, { keepRecords: true }), [kept]);
  assert.deepEqual(await read('in.jsonl', line), [{ ...pair, id: '1' }]);
});

test('what is no example is reported with line, field and reason; the rest is read', async () => {
  const cases: readonly (readonly [json: string, field: string | null, problem: RegExp])[] = [
    ['{"anchor":"a"}', 'positive', /expected a string, received nothing/],
    ['{"positive":"a"}', 'anchor', /expected a string, received nothing/],
    ['{"anchor":1,"positive":"b"}', 'anchor', /received a number/],
    ['{"sent0":"a","sent1":["b"]}', 'sent1', /received a list/],
    [
      '{"anchor":"a","sent0":"a","positive":"b"}',
      null,
      /one field for anchor, received anchor and sent0/,
    ],
    ['{"anchor":"a","positive":" \\t"}', 'positive', /expected a text, received an empty one/],
    ['{"anchor":"a","positive":"b","hardNegatives":["c",""]}', 'hardNegatives', /an empty one/],
    ['{"anchor":"a","positive":"b","hardNegatives":["c",null]}', 'hardNegatives', /received null/],
    [
      '{"anchor":"a","positive":"b","hardNegatives":{"0":"c"}}',
      'hardNegatives',
      /received an object/,
    ],
    [
      '{"anchor":"a","positive":"b","positiveScore":"high"}',
      'positiveScore',
      /expected a finite number/,
    ],
    [
      '{"anchor":"a","positive":"b","positiveScore":1e999}',
      'positiveScore',
      /expected a finite number/,
    ],
    ['{"anchor":"a","positive":"b","negativeScore":true}', 'negativeScore', /received a boolean/],
    [
      '{"anchor":"a","positive":"b","id":["x"]}',
      'id',
      /expected a string or a number, received a list/,
    ],
    [
      '{"anchor":"a","positive":"b","id":"\\u001b[2J"}',
      'id',
      /an id .* without control characters/,
    ],
    [
      `{"anchor":"a","positive":"b","source":"${'s'.repeat(1025)}"}`,
      'source',
      /a source of at most 1024/,
    ],
    ['{"anchor":"a","positive":"b","instruction":3}', 'instruction', /received a number/],
    [`{"anchor":"a","positive":"${'p'.repeat(2 ** 22 + 1)}"}`, 'positive', /at most 4194304 bytes/],
    ['{"anchor":"a","anchor":"a","positive":"b"}', null, /expected each key once/],
    ['["a","b"]', null, /expected a JSON object/],
  ];
  const good = '{"anchor":"a","positive":"b"}';
  const rows = await read('in.jsonl', cases.map(([json]) => `${json}\n${good}\n`).join(''));
  for (const [i, [json, field, problem]] of cases.entries()) {
    const [line, name, reason] = rows[2 * i] as [number, string | null, string];
    assert.deepEqual([line, name], [2 * i + 1, field], json.slice(0, 80));
    assert.match(reason, problem);
    assert.deepEqual(rows[2 * i + 1], { ...pair, id: String(2 * i + 2) });
  }
});

test('keepEmpty keeps what is blank, as the released trainers do', async () => {
  const csv = 'sent0,sent1,hard_neg\na,,\n';
  assert.deepEqual(await read('in.csv', csv), [
    [2, 'sent1', 'expected a text, received an empty one'],
  ]);
  assert.deepEqual(await read('in.csv', csv, { keepEmpty: true }), [
    { ...pair, id: '1', positive: '', hardNegatives: [''] },
  ]);
});

test('csv and tsv: columns by name in any order, others passed over', async () => {
  const csv = 'split,hard_neg,sent1,positiveScore,sent0\ntrain,"c, ""d""",b,0.5,a\ntrain,c,b,,a\n';
  assert.deepEqual(await read('in.csv', csv), [
    { ...pair, id: '1', hardNegatives: ['c, "d"'], positiveScore: 0.5 },
    { ...pair, id: '2', hardNegatives: ['c'] },
  ]);
  const tsv = 'sentence1\tpositive\tnegative\na\tb\t"c"\n';
  const columns = { anchor: 'sentence1', hardNegatives: ['negative'] };
  assert.deepEqual(await read('in.tsv', tsv, { columns }), [
    { ...pair, id: '1', hardNegatives: ['"c"'] },
  ]);
  const unsupervised = { anchor: 'text', positive: 'text', hardNegatives: [] };
  assert.deepEqual(await read('in.csv', 'text,hard_neg\na,c\n', { columns: unsupervised }), [
    { ...pair, id: '1', positive: 'a' },
  ]);
});

test('columns are never taken by position unless asked', async () => {
  const refused: readonly (readonly [name: string, content: string, message: RegExp])[] = [
    [
      'in.csv',
      'a,b\nc,d\n',
      /in\.csv, line 1: expected a column anchor or sent0 .* received "a", "b"/,
    ],
    ['in.csv', 'sent0,b\nc,d\n', /line 1: expected a column positive or sent1/],
    [
      'in.csv',
      'sent0,sent1,anchor\nc,d,e\n',
      /expected one field for anchor, received sent0 and anchor/,
    ],
    [
      'in.tsv',
      'sent0\tsent1\tsent1\na\tb\tc\n',
      /expected one field for positive, received sent1 and sent1/,
    ],
    ['in.csv', '', /expected at least one record in in\.csv, found none/],
    ['in.csv', 'sent0,sent1\n', /expected at least one record/],
  ];
  for (const [name, content, message] of refused) {
    await assert.rejects(read(name, content), { code: 'dataInvalid', message }, content);
  }
  const columns = { anchor: 'x', positive: 'y' };
  await assert.rejects(
    read('in.csv', 'x,z\na,b\n', { columns }),
    /line 1: expected one column "y"/,
  );
  const triple = { ...pair, id: '1', hardNegatives: ['c'] };
  assert.deepEqual(await read('in.csv', 'x,y,z\na,b,c\n', { byPosition: 'header' }), [triple]);
  assert.deepEqual(await read('in.tsv', 'a\tb\tc\n', { byPosition: 'noHeader' }), [triple]);
  assert.deepEqual(await read('in.tsv', 'a\tb\n', { byPosition: 'noHeader' }), [
    { ...pair, id: '1' },
  ]);
  assert.deepEqual(await read('in.tsv', 'a\n', { byPosition: 'noHeader' }), [
    { ...pair, id: '1', positive: 'a' },
  ]);
  await assert.rejects(
    read('in.csv', 'a,b,c,d\n', { byPosition: 'header' }),
    /one to three columns/,
  );
  await assert.rejects(read('in.jsonl', '{}', { byPosition: 'header' }), RangeError);
});

test('half of a broken surrogate pair becomes U+FFFD and is flagged', async () => {
  const json = '{"anchor":"a\\ud800","positive":"b","hardNegatives":["\\ud83d\\ude00"]}';
  assert.deepEqual(await read('in.jsonl', json), [
    { ...pair, id: '1', anchor: 'a\ufffd', hardNegatives: ['😀'], replaced: true },
  ]);
});

test('gzip of each form reads as the form; the source is the name without extensions', async (context) => {
  const folder = await temporaryFolder(context);
  const forms = {
    'nli.jsonl': '{"anchor":"a","positive":"b"}\n',
    'nli.csv': 'sent0,sent1\na,b\n',
    'nli.tsv': 'sent0\tsent1\na\tb\n',
  };
  for (const [name, content] of Object.entries(forms)) {
    const path = join(folder, `${name}.gz`);
    await writeFile(path, gzipSync(content));
    for await (const row of readExamples(path)) {
      const line = name.endsWith('jsonl') ? 1 : 2;
      assert.deepEqual(row, { ...pair, id: '1', line, source: 'nli', replaced: false });
    }
  }
  assert.equal(exampleFormatOfName('x.parquet'), 'parquet');
  assert.deepEqual((await read('in.jsonl', forms['nli.jsonl'], { sourceName: 'other' }))[0], {
    ...pair,
    id: '1',
    source: 'other',
  });
});

test('2,000 examples of 100 KB pass in the memory of a few', async () => {
  const text = 'x'.repeat(50_000);
  const chunk = Buffer.from(`${JSON.stringify({ anchor: text, positive: text })}\n`);
  const chunks = (async function* () {
    for (let i = 0; i < 2000; i++) {
      yield chunk;
    }
  })();
  let count = 0;
  let most = 0;
  const before = process.memoryUsage().rss;
  for await (const row of readExamples({ name: 'in.jsonl', chunks })) {
    assert.equal(row.problem, undefined);
    count++;
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  assert.equal(count, 2000);
  assert.ok(most < 128 * 2 ** 20, `${most} bytes`);
});

test('each limit holds one below, at it and one above', async () => {
  const limits: readonly (readonly [limit: number, of: (size: number) => string, says: RegExp])[] =
    [
      [
        4 * 2 ** 20,
        (size) => `{"anchor":"${'x'.repeat(size)}","positive":"b"}`,
        /^expected a text of at most 4194304 bytes, received 4194305$/,
      ],
      [
        1024,
        (size) => `{"anchor":"a","positive":"b","id":"${'i'.repeat(size)}"}`,
        /^expected an id of at most 1024 bytes/,
      ],
      [
        64,
        (size) =>
          `{"anchor":"a","positive":"b","x":${'['.repeat(size - 1)}${']'.repeat(size - 1)}}`,
        /^expected JSON at most 64 levels deep/,
      ],
      [
        16 * 2 ** 20,
        (size) => '{"anchor":"a","positive":"b"}'.padEnd(size, ' '),
        /^expected a line of at most 16777216 bytes, received 16777217$/,
      ],
    ];
  for (const [limit, of, says] of limits) {
    const [below, at, above] = await read(
      'in.jsonl',
      [limit - 1, limit, limit + 1].map(of).join('\n'),
    );
    assert.deepEqual([Array.isArray(below), Array.isArray(at)], [false, false], String(says));
    const [line, , problem] = above as [number, string | null, string];
    assert.equal(line, 3);
    assert.match(problem, says);
  }
});
