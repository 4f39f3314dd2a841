import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStsReport } from '#dist/evaluate/report.js';
import type { ModelSettings, ScoredModel } from '#dist/evaluate/report.js';
import {
  stsReportAsCsv,
  stsReportAsJson,
  stsReportAsLatex,
  stsReportAsMarkdown,
  stsReportAsTable,
} from '#dist/evaluate/report_formats.js';
import { stsReportAsHtml } from '#dist/evaluate/report_page.js';
import { stsTaskNames, stsTasks } from '#dist/evaluate/sts_tasks.js';
import type { StsProtocol } from '#dist/evaluate/sts_tasks.js';

const settings: ModelSettings = {
  model: 'org/model_a',
  revision: 'abc123',
  pooling: 'mean',
  head: 'none',
  normalize: true,
  maxTokens: 256,
  precision: 'float32',
  prompt: null,
  dimensions: 384,
};

// Rhos whose x 100 rounds down and up, so that the two averages differ in the second decimal.
const rhos = [0.723649, 0.806049, 0.755949, 0.853949, 0.789849, 0.820349, 0.771449];

function scored(protocol: StsProtocol, change: Partial<ModelSettings> = {}, add = 0): ScoredModel {
  return {
    settings: { ...settings, ...change },
    scores: {
      protocol,
      seed: 0,
      fingerprint: 'f'.repeat(64),
      distinctTexts: 1000,
      truncatedTexts: 2,
      nonFiniteEntries: 0,
      tasks: stsTaskNames.map((name, i) => ({
        name,
        spearman: rhos[i]! + add,
        pearson: 0.5,
        finite: true,
        pairs: stsTasks[name].pairs[protocol],
        draws: Float64Array.from({ length: 101 }, (_, draw) => rhos[i]! + add + (draw - 50) / 1000),
        subsets: [{ name: 'a|b', spearman: 0.5, pairs: 3 }],
        fingerprint: 'e'.repeat(64),
      })),
    },
  };
}

test('mteb averages unrounded scores, senteval rounded ones', () => {
  const mteb = createStsReport(scored('mteb'));
  const senteval = createStsReport(scored('senteval'));
  assert.equal(mteb.tasks[0]!.spearman, 72.3649);
  assert.equal(senteval.tasks[0]!.spearman, 72.36);
  assert.equal(mteb.average, 78.8749);
  assert.equal(senteval.average, 78.87);
  assert.match(stsReportAsTable(mteb), /^average +23,850 +78\.87 /m);
});

test('JSON starts with protocol, model, average and tasks, and tasks with their score', () => {
  const report = createStsReport(scored('mteb'));
  const json = JSON.parse(stsReportAsJson(report)) as typeof report;
  assert.deepEqual(Object.keys(json).slice(0, 4), ['protocol', 'model', 'average', 'tasks']);
  assert.deepEqual(Object.keys(json.tasks[0]!).slice(0, 4), [
    'name',
    'spearman',
    'interval',
    'pairs',
  ]);
  assert.deepEqual(
    json.tasks.map((task) => task.name),
    ['sts12', 'sts13', 'sts14', 'sts15', 'sts16', 'stsb', 'sickr'],
  );
  assert.deepEqual(json.tasks[0]!.interval, [67.6149, 77.1149]);
  const { model: _, ...rest } = settings;
  assert.deepEqual(json.settings, rest);
  assert.deepEqual(json.bootstrap, { seed: 0, draws: 101, level: 0.95 });
  assert.deepEqual(json.data, {
    rows: 23850,
    distinctTexts: 1000,
    fingerprint: 'f'.repeat(64),
  });
  assert.deepEqual(json.warnings, ['2 of 1000 texts were cut at 256 tokens']);
});

test('the same scores give the same bytes', () => {
  const bytes = () => stsReportAsJson(createStsReport(scored('mteb')));
  assert.equal(bytes(), bytes());
});

test('a paired comparison subtracts draw by draw', () => {
  const report = createStsReport(scored('mteb', {}, 0.01), {
    compare: scored('mteb', { model: 'org/b' }),
  });
  const { compare } = report;
  assert.equal(compare!.difference, 1);
  // Both models share their draws, so the difference has none of their spread.
  assert.deepEqual(compare!.interval, [1, 1]);
  assert.deepEqual(compare!.tasks[3]!.interval, [1, 1]);
  assert.match(
    stsReportAsTable(report),
    /^STS12 +3,108 +73\.36 .*72\.36 +\+1\.00 +1\.00 to 1\.00$/m,
  );
  assert.match(stsReportAsMarkdown(report), /^\| difference \| 1\.00 /m);
  assert.match(stsReportAsCsv(report), /^org\/b,.*,average,23850,78\.8749,,,1,1,1,/m);
});

test('subsets appear on request', () => {
  assert.equal(createStsReport(scored('mteb')).tasks[0]!.subsets, undefined);
  const report = createStsReport(scored('mteb'), { subsets: true });
  assert.deepEqual(report.tasks[0]!.subsets, [{ name: 'a|b', spearman: 50, pairs: 3 }]);
  assert.match(stsReportAsTable(report), /^ {2}a\|b +3 +50\.00$/m);
});

test('every form names what the scores were made with', () => {
  const report = createStsReport(scored('senteval', { prompt: 'query' }));
  for (const text of [stsReportAsTable, stsReportAsMarkdown, stsReportAsLatex].map((form) =>
    form(report).replaceAll('\\', ''),
  )) {
    for (const word of [
      'abc123',
      'pooling mean',
      'normalize true',
      '256 tokens',
      'float32',
      'prompt query',
      'senteval',
      '18,850 rows',
      'seed 0',
      'f'.repeat(64),
    ]) {
      assert.ok(text.includes(word), `${word} in ${text}`);
    }
  }
});

test('a model name cannot break out of a table or become a formula', () => {
  const model = '=cmd|\' /C calc\'!A0 & 100% _x_ "q"';
  const report = createStsReport(scored('mteb', { model }));
  assert.match(stsReportAsCsv(report), /^"'=cmd\|' \/C calc'!A0 & 100% _x_ ""q""",abc123/m);
  assert.match(stsReportAsMarkdown(report), /^\| =cmd\\\|' /m);
  assert.match(stsReportAsLatex(report), /^=cmd.*\\& 100\\% \\_x\\_/m);
});

test('the HTML page shows scores, intervals and the difference, and escapes names', async () => {
  const second = scored('mteb', { model: '<b>second</b>' }, 0.01);
  const report = createStsReport(scored('mteb'), { compare: second, subsets: true });
  const page = await stsReportAsHtml(report);
  assert.match(page, /<td>STS12<\/td><td class="number">3,108<\/td><td class="number">72.36<\/td>/);
  assert.match(page, /<td class="number">78.87<\/td>/);
  assert.match(page, /<td class="number">-1.00<\/td>/);
  assert.match(page, /&lt;b&gt;second&lt;\/b&gt;/);
  assert.match(page, /f{64}/);
  assert.equal(await stsReportAsHtml(report), page);
});
