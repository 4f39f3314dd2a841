import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tableOf, writeTables } from '../evaluate/sts_fixture.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

type Case = readonly [args: string, code: 1 | 2, stderr: RegExp];

const embed = 'embed --input in.txt --output out.npy';
const sts = 'evaluate sts --data sts --model nowhere/at/all';

// What a user can get wrong before a model is loaded; each run is a process of its own.
const cases: readonly Case[] = [
  ['embed', 2, /required option '--input <file>'/],
  ['embed --input in.txt', 2, /required option '--output <file>'/],
  [`${embed} --model nowhere/at/all`, 2, /expected a model folder, or a hub id/],
  [`${embed} --modle m`, 2, /unknown option '--modle'\n\(Did you mean --model\?\)/],
  [`${embed} extra`, 2, /too many arguments/],
  [
    `${embed} --model m --threads 0`,
    2,
    /--threads.*expected an integer from 1 to 1024, received 0/,
  ],
  [`${embed} --threads NaN`, 2, /expected an integer from 1 to 1024, received NaN/],
  [`${embed} --threads -1`, 2, /expected an integer from 1 to 1024, received -1/],
  [`${embed} --threads 1e2`, 2, /received 1e2/],
  [`${embed} --threads 99999999999999999999`, 2, /received 9+/],
  [`${embed} --dimensions 0`, 2, /expected an integer from 1 to 65536/],
  [`${embed} --dimensions 1.5`, 2, /received 1\.5/],
  [`${embed} --batch-tokens many`, 2, /expected an integer from 1 to 1073741824, received many/],
  [`${embed} --batch-tokens`, 2, /argument missing/],
  [`${embed} --max-tokens 0`, 2, /expected an integer from 1 to 16777216, received 0/],
  [`${embed} --precision int8`, 2, /Allowed choices are auto, float32, bfloat16/],
  [`${embed} --device tpu`, 2, /Allowed choices are cpu, cuda/],
  [`${embed} --pooling avg`, 2, /expected names out of cls, mean, max, .*received avg/],
  [`${embed} --pooling cls,`, 2, /received $/m],
  [`${embed} --head big`, 2, /Allowed choices are none, pooler, mlp/],
  [`${embed} --input-format xml`, 2, /Allowed choices are txt, jsonl, csv, tsv/],
  [`${embed} --output-format xml`, 2, /Allowed choices are npy, jsonl/],
  [`${embed} --text-field body`, 2, /expected --text-field and --id-field with jsonl, csv or tsv/],
  ['embed --input in.txt --output - --json', 2, /expected --json or --output -, received both/],
  ['embed --input in.jsonl --output in.jsonl --overwrite', 2, /an output other than the input/],
  ['embed --input in.jsonl --output ./sub/../in.jsonl --overwrite', 2, /other than the input/],
  [`${embed} --quarantine in.txt --overwrite`, 2, /other than the input/],
  ['embed --input none.txt --output out.npy', 1, /expected a file at none\.txt, found none/],
  ['embed --input sub --input-format txt --output out.npy', 1, /received a directory/],
  ['embed --input /dev/zero --input-format txt --output out.npy', 1, /received a device/],
  ['embed --input in.txt/x.txt --output out.npy', 1, /expected a file at in\.txt\/x\.txt/],
  ['embed --input in.gz --output out.npy', 1, /or not\), received in\.gz/],
  ['embed --input in.parquet --output out.npy', 1, /\.txt, \.jsonl, \.csv or \.tsv/],
  ['embed --input in.txt --output out.parquet', 1, /\.npy or \.jsonl, received out\.parquet/],
  ['embed --input in.txt --output out', 1, /\.npy or \.jsonl, received out;/],
  ['embed --input in.txt --output old.npy', 1, /expected no file at old\.npy, found one; pass/],
  ['embed --input in.txt --output none/out.npy', 1, /expected a folder at none for the output/],
  ['embed --input in.txt --output in.txt/out.npy', 1, /expected a folder at in\.txt/],
  ['similarity', 2, /expected two texts, or --input-a and --input-b, received 0 texts and 0 files/],
  ['similarity one', 2, /received 1 texts and 0 files/],
  ['similarity one two three', 2, /too many arguments/],
  ['similarity one --input-a in.txt', 2, /received 1 texts and 1 files/],
  ['similarity one two --input-a in.txt', 2, /received 2 texts and 1 files/],
  ['similarity --input-a in.txt', 2, /received 0 texts and 1 files/],
  ['similarity one two --model ./none', 1, /\.\/none: expected a model folder; there is none/],
  ['evaluate pairs --split none', 1, /expected rows of split none in .*pairs\.tsv, found none/],
  ['evaluate pairs --data in.txt', 1, /expected the header .* on line 1 of in\.txt/],
  ['similarity --input-a none.txt --input-b in.txt', 1, /expected a file at none\.txt/],
  ['similarity --input-a in.txt --input-b empty.txt', 1, /at least one record in empty\.txt/],
  ['similarity --input-a in.txt --input-b in.jsonl', 1, /as many texts in in\.jsonl as the 2 in/],
  ['similarity --input-a bad.jsonl --input-b in.txt', 1, /bad\.jsonl, line 2: expected a string/],
  ['evaluate', 2, /Usage: simgpt evaluate/],
  ['evaluate stz', 2, /unknown command 'stz'/],
  ['evaluate sts', 2, /expected --data to name a folder of STS sets, received none/],
  ['evaluate sts --data', 2, /argument missing/],
  ['evaluate sts --data none --model m', 1, /expected sts12\.tsv or .*found neither in none/],
  ['evaluate sts --data broken --model m', 1, /expected 3108 pairs.*sts12\.tsv.*received 3/],
  ['evaluate sts --data header --model m', 1, /expected the header .* on line 1 of header/],
  [
    'evaluate sts --data badrow --tasks sts16 --strict --model m',
    1,
    /line 1188: expected 5 fields/,
  ],
  [`${sts} --protocol simcse`, 2, /Allowed choices are mteb, senteval/],
  [`${sts} --tasks sts99`, 2, /expected names out of sts12, .*received sts99/],
  [`${sts} --seed -1`, 2, /expected an integer from 0 to 9007199254740991, received -1/],
  [`${sts} --seed NaN`, 2, /received NaN/],
  [`${sts} --draws 0`, 2, /expected an integer from 1 to 100000, received 0/],
  [`${sts} --json --csv`, 2, /cannot be used with option '--(?:json|csv)'/],
  [`${sts} --compare-pooling avg`, 2, /expected names out of cls/],
];

async function writeInputs(folder: string): Promise<void> {
  await mkdir(join(folder, 'sub'));
  await writeTables(join(folder, 'sts'));
  const files = {
    'in.txt': 'one\ntwo\n',
    'in.jsonl': '{"text":"one"}\n',
    'bad.jsonl': '{"text":"one"}\n{"text":2}\n',
    'in.gz': 'x',
    'in.parquet': 'PAR1',
    'empty.txt': '',
    'old.npy': 'old',
    'broken/sts12.tsv': tableOf('sts12', 3),
    'header/sts12.tsv': 'a\tb\n',
    'badrow/sts16.tsv': `${tableOf('sts16')}test\tx\n`,
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

test('bad input ends with its exit code, one sentence on stderr and nothing on stdout', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeInputs(cwd);
  const before = (await readdir(cwd, { recursive: true })).sort();
  const queue = [...cases];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [args, code, message] = next;
      const result = await runSimgpt(args.split(' '), { cwd });
      assert.deepEqual([result.code, result.stdout], [code, ''], `${args}: ${result.stderr}`);
      assert.match(result.stderr, message, args);
      assert.doesNotMatch(result.stderr, /\n +at |node:internal/, args);
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  assert.deepEqual((await readdir(cwd, { recursive: true })).sort(), before);
  assert.equal(await readFile(join(cwd, 'old.npy'), 'utf8'), 'old');
});

test('names full of escape sequences reach the terminal without them', async (context) => {
  const cwd = await temporaryFolder(context);
  const hostile = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202etxt.exe\r.txt';
  for (const args of [
    ['embed', '--input', hostile, '--output', 'out.npy'],
    ['embed', '--input', 'x.txt', '--output', 'o.npy', `--${hostile}`],
    ['embed', '--input', 'x.txt', '--output', 'o.npy', '--threads', hostile],
    ['similarity', '--input-a', hostile, '--input-b', hostile],
    ['evaluate', 'sts', '--data', hostile, '--model', 'm'],
    ['evaluate', 'sts', '--tasks', hostile],
  ]) {
    const { code, stdout, stderr } = await runSimgpt(args, { cwd });
    assert.ok(code === 1 || code === 2, String(code));
    assert.equal(stdout, '');
    // oxlint-disable-next-line no-control-regex -- control bytes are what must not be there
    assert.doesNotMatch(stderr, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  }
});
