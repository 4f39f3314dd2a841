import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalJson } from '#dist/files/canonical_json.js';
import { writeTables } from '../evaluate/sts_fixture.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

const provenance = (sourceId: string) => [
  {
    template: { id: 'simgpt', version: 1, hash: 'a'.repeat(64) },
    model: 'm',
    decoding: { temperature: 1 },
    seed: 3,
    sourceId,
  },
];

/** 60 generated rows of three sources, keys in canonical order. */
const generated = Array.from({ length: 60 }, (_, i) =>
  canonicalJson({
    anchor: `the harbour ferry number ${i * 7919} leaves for island ${i * 31}`,
    hardNegatives: [`no boat ${i}`],
    id: String(i),
    positive: `boat ${i * 104729} crosses over`,
    provenance: provenance(`in-${i % 20}`),
    source: `set-${i % 3}`,
  }),
);

async function scene(context: Parameters<typeof temporaryFolder>[0]) {
  const cwd = await temporaryFolder(context);
  await writeFile(join(cwd, 'g.jsonl'), `${generated.join('\n')}\n`);
  return {
    cwd,
    data: (...args: string[]) => runSimgpt(['data', ...args], { cwd }),
    text: (name: string) => readFile(join(cwd, name), 'utf8'),
    write: (name: string, content: string) => writeFile(join(cwd, name), content),
  };
}

test('revoke leaves the file as it would be had the rows never been, in every form', async (context) => {
  const { data, text, write } = await scene(context);
  const without = generated.filter((line) => !line.includes('"set-1"'));
  const done = await data(
    'revoke',
    'g.jsonl',
    '--source',
    'set-1',
    '--output',
    'r.jsonl',
    '--json',
  );
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(JSON.parse(done.stdout), {
    output: 'r.jsonl',
    read: 60,
    dropped: 20,
    failed: 0,
    written: 40,
    quarantine: null,
    formulas: 0,
    revoked: 20,
  });
  assert.equal(await text('r.jsonl'), `${without.join('\n')}\n`);
  await write('never.jsonl', `${without.join('\n')}\n`);
  for (const form of ['parquet', 'csv']) {
    const converted = [`r2.${form}`, `never.${form}`];
    await data('convert', 'r.jsonl', '--output', converted[0]!);
    await data('convert', 'never.jsonl', '--output', converted[1]!);
    assert.equal(await text(converted[0]!), await text(converted[1]!));
  }
  // By input row: the three rows that were made from each.
  const byId = ['--source-id', 'in-4', '--source-id', 'in-5'];
  const rows = await data('revoke', 'g.jsonl', ...byId, '--output', 'i.jsonl', '--json');
  assert.equal((JSON.parse(rows.stdout) as { revoked: number }).revoked, 6);
  const kept = generated.filter((line) => !/"in-[45]"/.test(line));
  assert.equal(await text('i.jsonl'), `${kept.join('\n')}\n`);
  const absent = await data('revoke', 'g.jsonl', '--source', 'sett-1', '--output', 'x.jsonl');
  assert.equal(absent.code, 1);
  assert.match(absent.stderr, /expected rows that come from "sett-1", found none/);
});

test('a run repeated on an input without a source is the run that never had it', async (context) => {
  const { data, text, write, cwd } = await scene(context);
  // Numbers stay as they are in what the rehearsal writes, so that equal anchors give near rows.
  const sentence = (i: number) =>
    `The dog of ${Array.from({ length: 16 }, (_, k) => (i * 16 + k + 1) * 104729).join(' ')}`;
  const input = Array.from({ length: 12 }, (_, i) =>
    // The last repeats the first, whose place it takes once that is gone.
    JSON.stringify({
      id: `r${i}`,
      source: i % 3 === 0 ? 'bad' : 'good',
      text: sentence(i === 11 ? 0 : i),
    }),
  );
  await write('in.jsonl', `${input.join('\n')}\n`);
  const rehearsed = ['--provider', 'rehearsal', '--near-duplicates', '0.6'];
  const run = async (from: string, folder: string, ...more: string[]) => {
    const args = [
      'generate',
      'simgpt',
      '--input',
      from,
      '--output',
      folder,
      '--provider',
      'rehearsal',
    ];
    const done = await runSimgpt([...args, ...rehearsed, ...more], { cwd });
    assert.ok(done.code === 0 || done.code === 3, done.stderr);
    const rows = (await text(`${folder}/data.jsonl`)).trimEnd().split('\n');
    return rows.map((row) => JSON.parse(row) as { id: string; source: string });
  };
  const before = await run('in.jsonl', 'run');
  assert.ok(before.some(({ source }) => source === 'bad'));
  assert.ok(!before.some(({ id }) => id === 'r11'));
  const columns = ['--columns', 'anchor=text', '--columns', 'positive=text'];
  const revoked = await data(
    'revoke',
    'in.jsonl',
    ...columns,
    '--source',
    'bad',
    '--output',
    'k.jsonl',
  );
  assert.equal(revoked.code, 0, revoked.stderr);
  const after = await run('k.jsonl', 'run', '--changed-input');
  assert.ok(after.every(({ source }) => source === 'good'));
  assert.ok(after.some(({ id }) => id === 'r11'));
  await run('k.jsonl', 'fresh');
  assert.equal(await text('run/data.jsonl'), await text('fresh/data.jsonl'));
});

test('convert goes round through Parquet to the same bytes, and says what a CSV may run', async (context) => {
  const { data, text, write } = await scene(context);
  assert.equal((await data('convert', 'g.jsonl', '--output', 'g.parquet')).code, 0);
  const back = await data('convert', 'g.parquet', '--output', 'back.jsonl');
  assert.equal(back.code, 0, back.stderr);
  assert.equal(await text('back.jsonl'), await text('g.jsonl'));
  await write('f.jsonl', '{"anchor":"=1+1","positive":"b"}\n');
  const trainer = await data('convert', 'f.jsonl', '--output', 'f.csv');
  assert.match(trainer.stderr, /1 texts would run as formulas in a spreadsheet/);
  assert.equal(await text('f.csv'), 'sent0,sent1\n=1+1,b\n');
  await data('convert', 'f.jsonl', '--output', 's.csv', '--spreadsheet');
  assert.equal(await text('s.csv'), "sent0,sent1\n'=1+1,b\n");
});

test('split and sample follow the seed; the parts are all of the rows', async (context) => {
  const { cwd, data, text } = await scene(context);
  const split = ['split', 'g.jsonl', '--parts', 'train=0.8,dev=0.2', '--seed', '4'];
  for (const folder of ['a', 'b']) {
    const done = await data(...split, '--output', folder);
    assert.equal(done.code, 0, done.stderr);
  }
  assert.deepEqual((await readdir(join(cwd, 'a'))).sort(), ['dev.jsonl', 'train.jsonl']);
  const lines = async (name: string) => (await text(name)).trimEnd().split('\n');
  const [train, dev] = [await lines('a/train.jsonl'), await lines('a/dev.jsonl')];
  assert.deepEqual([train.length, dev.length], [48, 12]);
  assert.deepEqual([...train, ...dev].sort(), [...generated].sort());
  assert.deepEqual([await lines('b/train.jsonl'), await lines('b/dev.jsonl')], [train, dev]);
  const sample = async (seed: string, name: string) => {
    const done = await data('sample', 'g.jsonl', '--count', '7', '--seed', seed, '--output', name);
    assert.equal(done.code, 0, done.stderr);
    return text(name);
  };
  const first = await sample('1', '1.jsonl');
  assert.equal(first.trimEnd().split('\n').length, 7);
  assert.equal(await sample('1', '2.jsonl'), first);
  assert.notEqual(await sample('2', '3.jsonl'), first);
  const many = await data('sample', 'g.jsonl', '--count', '61', '--output', 'm.jsonl');
  assert.deepEqual(
    [many.code, many.stderr],
    [2, 'simgpt: expected --count to be at most 60, received 61\n'],
  );
});

test('overlap prints and stores what is shared, writes the rest, and is a gate where asked', async (context) => {
  const { cwd, data, text, write } = await scene(context);
  await writeTables(join(cwd, 'sts'));
  const [, pair] = (await text('sts/sts12.tsv')).split('\n');
  const shared = pair!.split('\t')[3]!.toUpperCase();
  await write(
    't.jsonl',
    `${generated[0]}\n{"anchor":"${shared}","positive":"p"}\n${generated[1]}\n`,
  );
  const args = ['overlap', 't.jsonl', '--data', 'sts', '--exclude', 'clean.jsonl'];
  const found = await data(...args, '--gate', '--json');
  assert.equal(found.code, 4, found.stderr);
  const report = JSON.parse(found.stdout) as Record<string, unknown>;
  const { excluded, ...stored } = report;
  assert.deepEqual(JSON.parse(await text('overlap.json')), stored);
  assert.deepEqual([report['examples'], report['overlapping']], [3, 1]);
  assert.deepEqual((excluded as { written: number }).written, 2);
  assert.equal(await text('clean.jsonl'), `${generated[0]}\n${generated[1]}\n`);
  const clean = await data('overlap', 'clean.jsonl', '--data', 'sts', '--gate');
  assert.equal(clean.code, 0, clean.stderr);
  assert.match(clean.stdout, /^set +texts +exact +near +rows\nsts12 /);
  assert.match(clean.stdout, /0 of 2 rows share a text with a set/);
  assert.match(clean.stdout, /not compared, not there: stsb-dev|stsb-dev/);
});

test('bad rows end in 3 with a quarantine file, strict in 1 with nothing', async (context) => {
  const { cwd, data, text, write } = await scene(context);
  await write('b.jsonl', `${generated[0]}\n{"anchor":"\u001b[2Jx"}\n${generated[0]}\n`);
  const stats = await data('stats', 'b.jsonl');
  assert.equal(stats.code, 3, stats.stderr);
  assert.match(stats.stdout, /^2 rows; hard negatives: 2 with 1\n/);
  assert.match(stats.stdout, /1 bad rows, the first: b\.jsonl, line 2/);
  assert.ok(!stats.stdout.includes('\u001b'));
  const dedup = await data('dedup', 'b.jsonl', '--output', 'd.jsonl');
  assert.equal(dedup.code, 3);
  assert.match(
    dedup.stderr,
    /1 of 3 rows in d\.jsonl; 1 left out \(1 equal, 0 near\)\n1 bad rows in d/,
  );
  assert.equal(await text('d.jsonl'), `${generated[0]}\n`);
  const bad = JSON.parse(await text('d.jsonl.quarantine.jsonl')) as Record<string, unknown>;
  assert.deepEqual([bad['file'], bad['line'], bad['field']], ['b.jsonl', 2, null]);
  const strict = await data('dedup', 'b.jsonl', '--output', 's.jsonl', '--strict');
  assert.equal(strict.code, 1);
  assert.match(strict.stderr, /b\.jsonl, line 2: expected a JSON object/);
  assert.ok(!(await readdir(cwd)).includes('s.jsonl'));
});

test('misuse is told in a sentence with exit code 2, and no file is replaced unasked', async (context) => {
  const { data, text } = await scene(context);
  const cases: readonly (readonly [args: string, code: number, says: RegExp])[] = [
    ['revoke g.jsonl --output o.jsonl', 2, /expected --source or --source-id, received neither/],
    ['convert g.jsonl --output g.jsonl', 2, /an output other than the input/],
    [
      'convert g.jsonl --output o.txt',
      1,
      /expected an output ending in \.jsonl, \.csv or \.parquet/,
    ],
    ['convert g.jsonl --output no/o.csv', 1, /expected a folder at no for the output/],
    ['sample - --count 1 --output o.jsonl', 2, /a file that can be read twice, received stdin/],
    ['split g.jsonl --parts a=1 --output p', 2, /expected two parts or more/],
    ['split g.jsonl --parts a=1,../b=1 --output p', 2, /expected NAME=SHARE/],
    [
      'dedup g.jsonl --near --threshold 1.5 --output o.jsonl',
      2,
      /a number > 0 and <= 1, received 1\.5/,
    ],
    ['stats g.jsonl --columns anchr=x', 2, /expected NAME=COLUMN, NAME out of anchor/],
    ['stats none.jsonl', 1, /expected a file at none\.jsonl, found none/],
    ['overlap g.jsonl --data nowhere', 1, /found none in nowhere/],
    ['stats g.txt.parquet', 1, /expected a file at g\.txt\.parquet/],
  ];
  for (const [args, code, says] of cases) {
    const result = await data(...args.split(' '));
    assert.deepEqual([result.code, result.stdout], [code, ''], `${args}: ${result.stderr}`);
    assert.match(result.stderr, says, args);
    assert.doesNotMatch(result.stderr, /\n +at /, args);
  }
  assert.equal((await data('convert', 'g.jsonl', '--output', 'o.jsonl')).code, 0);
  const again = await data('convert', 'g.jsonl', '--output', 'o.jsonl');
  assert.match(again.stderr, /expected no file at o\.jsonl, found one; pass --overwrite/);
  assert.equal((await data('convert', 'g.jsonl', '--output', 'o.jsonl', '--overwrite')).code, 0);
  assert.equal(await text('o.jsonl'), await text('g.jsonl'));
});

test('cap keeps the first rows of a source up to its share, and a flood of near texts small', async (context) => {
  const { data, text, write } = await scene(context);
  const of = (source: string, i: number, anchor: string): string =>
    canonicalJson({ anchor, hardNegatives: [], id: `${source}-${i}`, positive: `p ${i}`, source });
  const many = Array.from({ length: 70 }, (_, i) => of('many', i, `${i * 7919} tall ships`));
  const few = Array.from({ length: 30 }, (_, i) => of(`few-${i % 2}`, i, `${i * 104729} bees hum`));
  await write('c.jsonl', `${[...many, ...few].join('\n')}\n`);
  const args = ['--max-share', '0.5', '--output', 'out.jsonl', '--json'];
  const done = await data('cap', 'c.jsonl', ...args);
  assert.equal(done.code, 0, done.stderr);
  const { written, dropped, groups, largestShare } = JSON.parse(done.stdout) as {
    readonly [key: string]: number;
  };
  assert.deepEqual([written, dropped, groups, largestShare], [60, 40, 3, 0.5]);
  assert.equal(await text('out.jsonl'), `${[...many.slice(0, 30), ...few].join('\n')}\n`);

  const flood = Array.from({ length: 9 }, (_, i) =>
    of('x', i, `buy the wonderful golden lamp of harbour street today ${'!'.repeat(i)}`),
  );
  await write('f.jsonl', `${[...generated, ...flood].join('\n')}\n`);
  const capped = await data(
    'cap',
    'f.jsonl',
    '--per',
    'near',
    ...args,
    '--max-share',
    '0.04',
    '--overwrite',
  );
  assert.equal(capped.code, 0, capped.stderr);
  const lamps = (await text('out.jsonl')).match(/golden lamp/g)!.length;
  assert.ok(lamps >= 1 && lamps <= 0.04 * (60 + lamps), String(lamps));

  const tooFew = await data('cap', 'g.jsonl', ...args, '--max-share', '0.2', '--overwrite');
  assert.equal(tooFew.code, 2);
  assert.match(tooFew.stderr, /expected at least 5 groups for a share of at most 0.2, received 3/);
});
