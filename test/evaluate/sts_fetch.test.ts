import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import { stsTaskNames, stsTasks } from '#dist/evaluate/sts_tasks.js';
import { runSimgpt } from '../cli/run_simgpt.js';
import { temporaryFolder } from '../temporary_folder.js';
import { startDatasetServer } from './dataset_server.js';

function jsonLines(pairs: number): string {
  return Array.from({ length: pairs }, (_, i) => {
    const sentence2 = i === 0 ? 'tab\there\n' : `a "quote" ${i}`;
    return `${JSON.stringify({ sentence1: `s ${i}`, sentence2, score: i / 8, genre: 'x' })}\n`;
  }).join('');
}

function csv(pairs: number): string {
  const rows = Array.from({ length: pairs }, (_, i) => `${i / 8},"s ${i}","a ""quote"" ${i}"\n`);
  return `score,sentence1,sentence2\n${rows.join('')}`;
}

/** Each of the three forms in which a set may be published. */
function published(repo: string): Record<string, Uint8Array> {
  const name = /mteb\/(sts\d\d|stsb|sickr)/.exec(repo)![1] as (typeof stsTaskNames)[number];
  const { mteb } = stsTasks[name].pairs;
  if (name === 'sts13') {
    return { 'test.csv': Buffer.from(csv(mteb)), 'README.md': Buffer.from('') };
  }
  return name === 'sts14'
    ? { 'test.jsonl': Buffer.from(jsonLines(mteb)) }
    : { 'test.jsonl.gz': gzipSync(jsonLines(mteb)), 'train.jsonl.gz': gzipSync('{}') };
}

async function fetchInto(cwd: string, endpoint: string, ...more: string[]) {
  const env = { HF_ENDPOINT: endpoint, HF_HUB_CACHE: join(cwd, 'cache'), HF_TOKEN: undefined };
  return runSimgpt(['evaluate', 'sts', '--fetch', 'sets', ...more], { cwd, env });
}

test('--fetch writes seven sets that load under mteb, and keeps those already there', async (context) => {
  const cwd = await temporaryFolder(context);
  await using server = await startDatasetServer(published);
  const first = await fetchInto(cwd, server.endpoint);
  assert.deepEqual([first.code, first.stdout], [0, ''], first.stderr);
  assert.match(first.stderr, /sts12\.tsv: fetched, 1 sentences with a tab or line end made flat/);
  const sets = join(cwd, 'sets');
  assert.deepEqual((await readdir(sets)).sort(), stsTaskNames.map((name) => `${name}.tsv`).sort());
  const data = await loadStsData({ folders: [sets], protocol: 'mteb' });
  for (const set of data.sets) {
    assert.deepEqual([set.left[8], set.right[8], set.gold[8]], ['s 8', 'a "quote" 8', 1]);
  }
  assert.equal(data.sets[0]!.right[0], 'tab here ');
  assert.ok(!server.requests.some((path) => path.includes('train')));

  const requests = server.requests.length;
  const again = await fetchInto(cwd, server.endpoint);
  assert.match(again.stderr, /sts12\.tsv: was there/);
  assert.equal(server.requests.length, requests);
});

test('a set of another size, of another form or with a broken row is refused', async (context) => {
  const cwd = await temporaryFolder(context);
  const refused: readonly (readonly [Record<string, Uint8Array>, RegExp])[] = [
    [
      { 'test.jsonl': Buffer.from(jsonLines(5)) },
      /expected 3108 pairs in .*test\.jsonl, received 5/,
    ],
    [
      { 'data/test.parquet': Buffer.from('PAR1') },
      /expected test\.jsonl\.gz, .*received data\/test/,
    ],
    [{ 'test.jsonl': Buffer.from('{"sentence1":"a"}\n') }, /sentence2 and a score on line 1/],
    [{ 'test.jsonl': Buffer.from('[]\n') }, /a score on line 1/],
    [{ 'test.csv': Buffer.from('score,sentence1,sentence2\n,a,b\n') }, /a score on line 2/],
    [{ 'test.jsonl.gz': Buffer.from('not gzip') }, /expected gzip/],
    [{ 'test.jsonl.gz': gzipSync(Buffer.alloc(65 * 2 ** 20)) }, /gzip of at most 67108864 bytes/],
  ];
  for (const [files, message] of refused) {
    await using server = await startDatasetServer(() => files);
    const folder = await temporaryFolder(context);
    const result = await fetchInto(folder, server.endpoint, '--tasks', 'sts12');
    assert.equal(result.code, 1);
    assert.match(result.stderr, message);
    assert.deepEqual(await readdir(join(folder, 'sets')), []);
  }
  assert.deepEqual(await readdir(cwd), []);
});

test('offline, nothing is asked of the network', async (context) => {
  const cwd = await temporaryFolder(context);
  await writeFile(join(cwd, 'note'), 'kept');
  const env = { HF_HUB_OFFLINE: '1', HF_HUB_CACHE: join(cwd, 'cache') };
  const result = await runSimgpt(['evaluate', 'sts', '--fetch', 'sets'], { cwd, env });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /HF_HUB_OFFLINE/);
  assert.equal(await readFile(join(cwd, 'note'), 'utf8'), 'kept');
});
