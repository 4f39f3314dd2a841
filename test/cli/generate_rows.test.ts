// What a run leaves out of its rows: texts of evaluation sets, more than a source's share, one meaning.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tableOf } from '../evaluate/sts_fixture.js';
import { sharedDir, skipWithoutShared } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';
import { runSimgpt } from './run_simgpt.js';

interface Row {
  readonly id: string;
  readonly anchor: string;
  readonly source?: string;
}

async function rowsOf(path: string): Promise<readonly (Row & Readonly<Record<string, unknown>>)[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Row & Readonly<Record<string, unknown>>);
}

function countOf(names: readonly unknown[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names.map(String)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const rehearsal = ['generate', 'simgpt', '--provider', 'rehearsal', '--no-report'];

test('rows of an evaluation set are counted in the run, and left out where asked', async (t) => {
  const cwd = await temporaryFolder(t);
  await mkdir(join(cwd, 'sets'));
  const table = tableOf('sts16');
  await writeFile(join(cwd, 'sets/sts16.tsv'), table);
  const known = table.split('\n')[3]!.split('\t')[3]!;
  const texts = ['A dog sleeps on the porch.', `  ${known.toUpperCase()} `, 'Snow fell all night.'];
  await writeFile(join(cwd, 'in.txt'), texts.map((text) => `${text}\n`).join(''));
  const args = ['generate', 'simgpt', '--provider', 'rehearsal', '--input', 'in.txt'];
  const scan = [...args, '--output', 'run', '--evaluation', 'sets'];
  const counted = await runSimgpt(scan, { cwd });
  assert.equal(counted.code, 0, counted.stderr);
  assert.match(
    counted.stderr,
    /\n1 of 3 rows share a text with an evaluation set \(sts16 1\): run\/overlap\.json\n/,
  );
  assert.match(
    await readFile(join(cwd, 'run/card.md'), 'utf8'),
    /1 of 3 rows share a text with a set/,
  );
  const whole = await readFile(join(cwd, 'run/data.jsonl'), 'utf8');
  // The same answers, another plan.
  const excluded = await runSimgpt([...scan, '--exclude-overlap'], { cwd });
  assert.equal(excluded.code, 3, excluded.stderr);
  assert.match(excluded.stderr, /^2 rows of 3 in run\/data\.jsonl\ndropped, .*: overlap 1\n/);
  assert.match(
    excluded.stderr,
    /1 of 3 rows shared a text with an evaluation set and are left out/,
  );
  assert.equal(
    await readFile(join(cwd, 'run/data.jsonl'), 'utf8'),
    whole
      .split('\n')
      .filter((line) => !line.includes(known.toUpperCase()))
      .join('\n'),
  );
  const [drop] = await rowsOf(join(cwd, 'run/quarantine.jsonl'));
  assert.equal(drop!.id, '2');
  assert.match(String(drop!['detail']), /anchor equal to one of sts16$/);
  assert.match(
    await readFile(join(cwd, 'run/card.md'), 'utf8'),
    /1 of 3 rows shared .* and were left out/,
  );
  const verified = await runSimgpt(['verify', 'run'], { cwd });
  assert.equal(verified.code, 0, verified.stdout);
  await writeFile(join(cwd, 'run/overlap.json'), '{}');
  assert.equal((await runSimgpt(['verify', 'run'], { cwd })).code, 4);
  const alone = await runSimgpt([...args, '--output', 'other', '--exclude-overlap'], { cwd });
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /expected --evaluation to name a folder/);
});

test('a cap lets no source have more than its share, whatever else is left out', async (t) => {
  const cwd = await temporaryFolder(t);
  const input = Array.from({ length: 24 }, (_, i) => ({
    id: `row-${i}`,
    text: i % 2 === 0 && i < 4 ? 'A flood of rain.' : `The ferry number ${i} leaves at noon.`,
    source: i < 16 ? 'flood' : i < 20 ? 'b' : 'c',
  }));
  const lines = [...input.map((row) => JSON.stringify(row)), '{"id":"bad"}'];
  await writeFile(join(cwd, 'in.jsonl'), `${lines.join('\n')}\n`);
  const args = [...rehearsal, '--input', 'in.jsonl', '--output', 'run'];
  const capped = await runSimgpt([...args, '--max-source-share', '0.4'], { cwd });
  assert.equal(capped.code, 3, capped.stderr);
  // 4 and 4 of the small ones: 5 of 13 are less than 0.4 of them, 6 of 14 more.
  const rows = await rowsOf(join(cwd, 'run/data.jsonl'));
  assert.deepEqual(countOf(rows.map(({ source }) => source)), { flood: 5, b: 4, c: 4 });
  const dropped = await rowsOf(join(cwd, 'run/quarantine.jsonl'));
  const counts = countOf(dropped.map(({ reason }) => reason));
  // One row of the flood repeats another; the row without a text is told of once.
  assert.equal(counts['input'], 1);
  assert.equal(counts['sourceShare'], 16 - 5 - (counts['duplicate'] ?? 0));
  assert.equal((await runSimgpt(['verify', 'run'], { cwd })).code, 0);
  const few = await runSimgpt([...args, '--max-source-share', '0.2'], { cwd });
  assert.equal(few.code, 1);
  assert.match(
    few.stderr,
    /expected at least 5 groups .* received 3 \(rows by source\): every answer is kept/,
  );
});

test(
  'data dedup by an encoder keeps the first of rows that mean the same',
  { skip: skipWithoutShared },
  async (t) => {
    const cwd = await temporaryFolder(t);
    const model = join(sharedDir!, 'models/all-MiniLM-L6-v2');
    const pairs = [
      ['The boat leaves the harbour at noon.', 'At midday the boat departs.'],
      ['At noon the boat leaves the harbour.', 'The boat departs at midday.'],
      ['At noon the boat leaves the harbour.', 'A dog sleeps on the porch.'],
      ['She reads a letter.', 'A letter is read by her.'],
    ].map(([anchor, positive]) => JSON.stringify({ anchor, positive }));
    await writeFile(join(cwd, 'in.jsonl'), `${pairs.join('\n')}\n`);
    const kept = async (...more: readonly string[]): Promise<readonly string[]> => {
      const args = [
        'data',
        'dedup',
        'in.jsonl',
        '--model',
        model,
        '--cosine',
        '0.9',
        '--overwrite',
      ];
      const { code, stderr } = await runSimgpt([...args, '--output', 'out.jsonl', ...more], {
        cwd,
      });
      assert.equal(code, 0, stderr);
      assert.match(stderr, /left out \(0 equal, 0 near, [12] of one meaning\)/);
      return (await readFile(join(cwd, 'out.jsonl'), 'utf8')).trim().split('\n');
    };
    assert.equal((await kept()).length, 3);
    assert.equal((await kept('--by', 'anchor')).length, 2);
  },
);
