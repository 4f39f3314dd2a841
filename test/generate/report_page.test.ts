import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeRunReport } from '#dist/generate/report_page.js';
import { openRunFolder } from '#dist/generate/run_folder.js';
import { drawnPlaces } from '#dist/generate/run_summary.js';
import { temporaryFolder } from '../temporary_folder.js';
import { startFakeServer } from './fake_process.js';
import { runTiny, writeSentences } from './tiny_run.js';

const prices = { currency: 'EUR', models: {} };

test('card and report tell counts, costs, lengths, similarities and rows', async (t) => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'run');
  await using server = await startFakeServer({ reply: 'numbered' });
  const input = await writeSentences(root, 30);
  const { commit, ledger } = await runTiny({ folder, input, baseUrl: server.baseUrl, bare: true });
  await using run = await openRunFolder(folder, { create: false });
  const plan = run.state.plan!.plan;
  const rows: string[] = [];
  await writeRunReport(folder, {
    plan,
    commit: commit!,
    ledger,
    prices,
    measure: async (drawn) => {
      rows.push(...drawn.map(({ id }) => id));
      const positives = drawn.map(() => 0.9);
      // A row without a hard negative counts in neither direction.
      return {
        model: 'ruler',
        positives,
        hardNegatives: drawn.map((_, i) => (i === 0 ? NaN : 0.1)),
        // The first ten anchors are one text said ten times, the others have nothing in common.
        anchors: {
          embeddings: Float32Array.from({ length: 900 }, (_, i) =>
            i % 30 === Math.max(Math.floor(i / 30), 9) ? 1 : 0,
          ),
          dimensions: 30,
        },
      };
    },
  });
  assert.equal(rows.length, 30);
  const report = await readFile(join(folder, 'report.html'), 'utf8');
  assert.match(report, /The positive is the more similar one in 29 of 29/);
  assert.match(report, /near duplicates<\/dt><dd>9<\/dd>/);
  assert.match(report, /33.3 %<\/dd><dd class="note">10 of 30 anchors/);
  assert.match(report, /k-means on their embeddings, k 3, seed 0/);
  assert.match(report, /<td>hard negative<\/td><td class="number">30<\/td>/);
  assert.match(report, /Cosine by ruler, 30 rows/);
  assert.match(report, /Boat \d+ leaves the harbour/);
  assert.doesNotMatch(report, /<script(?! type="application\/json")/);
  const card = await readFile(join(folder, 'card.md'), 'utf8');
  assert.match(card, /^30 rows of 30, each an anchor, a positive and 1 hard negatives/m);
  for (const { sha256 } of commit!.files) assert.ok(card.includes(sha256));
});

test('the drawn places are different, and all where there are few', () => {
  assert.deepEqual([...drawnPlaces(3, 12)], [0, 1, 2]);
  const places = [...drawnPlaces(1000, 12)];
  assert.equal(places.length, 12);
  assert.ok(places.every((place) => place >= 0 && place < 1000));
});
