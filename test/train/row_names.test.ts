import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { createBatches } from '#dist/dataset/batches.js';
import { namedByFile } from '#dist/train/row_names.js';
import { readTrainingData } from '#dist/train/training_data.js';
import { temporaryFolder } from '../temporary_folder.js';

const settings = { data: 'pairs', losses: [{ kind: 'infoNce' }] } as const;

test('examples of several files are named by file and line, and count as before', async (context) => {
  const folder = await temporaryFolder(context);
  await mkdir(join(folder, 'other'));
  const paths = ['a.jsonl', 'b.jsonl', 'other/a.jsonl'].map((name) => join(folder, name));
  for (const [place, path] of paths.entries()) {
    const rows = Array.from({ length: 9 }, (_, i) =>
      // A row that is left out, and an empty line, which is no record.
      i === 3 ? '{"anchor":"","positive":"b"}\n' : `{"anchor":"a${place}${i}","positive":"b${i}"}`,
    );
    await writeFile(path, `${rows.join('\n')}\n`);
  }
  const files = paths.map((path, i) => ({ path, weight: i + 1 }));
  const data = await readTrainingData({ files, settings });
  const plain = createBatches(data.sources, { batchSize: 5, seed: 3 });
  const named = namedByFile(plain, files, data, 'pairs');
  const names = new Set<string>();
  for (let step = 0; step < plain.stepsPerEpoch; ++step) {
    const [before, after] = [plain.batchAt(step), named.batchAt(step)];
    assert.deepEqual(after.exampleIds, before.exampleIds);
    for (const [i, { id, anchor }] of after.examples.entries()) {
      assert.equal(anchor, before.examples[i]!.anchor);
      const [, file, line] = /^(.+) line (\d+)$/.exec(id)!;
      const path = paths.find((one) => one === file || basename(one) === file)!;
      const text = (await readFile(path, 'utf8')).split('\n')[Number(line) - 1];
      assert.ok(text?.includes(`"${anchor}"`), `${id}: ${text}`);
      names.add(file!);
    }
  }
  assert.deepEqual([...names].sort(), [paths[0]!, paths[2]!, 'b.jsonl'].sort());
  const one = await readTrainingData({ files: files.slice(1, 2), settings });
  const batches = createBatches(one.sources, { batchSize: 8, seed: 3 });
  const ids = namedByFile(batches, files.slice(1, 2), one, 'pairs').batchAt(0).examples;
  assert.deepEqual(
    ids.map(({ id }) => Number(id)).sort((a, b) => a - b),
    [1, 2, 3, 5, 6, 7, 8, 9],
  );
});
