import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonForTerminal } from '#dist/cli/print.js';
import { forTerminal } from '#dist/cli/terminal.js';
import { createStsReport } from '#dist/evaluate/report.js';
import {
  stsReportAsCsv,
  stsReportAsLatex,
  stsReportAsMarkdown,
  stsReportAsTable,
} from '#dist/evaluate/report_formats.js';

const acted =
  // oxlint-disable-next-line no-control-regex -- control bytes are what must not be there
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '\u001b',
      '[',
      ']',
      '\u0007',
      '\u009b',
      '\\',
      'm',
      '\u202e',
      '\r',
      '\u2028',
      '=',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});

test('JSON keeps every character and prints none that a terminal acts on', () => {
  fc.assert(
    fc.property(hostile, hostile, (key, value) => {
      const object = Object.fromEntries([[`k${key}`, [value]]]);
      const json = jsonForTerminal(object);
      assert.doesNotMatch(json, acted);
      assert.equal(forTerminal(json), json);
      assert.deepEqual(JSON.parse(json), object);
    }),
    { numRuns: 2000, seed: 1 },
  );
});

test('no form of a report lets a model name act on the terminal', () => {
  const score = {
    name: 'sts13' as const,
    spearman: 0.5,
    pearson: 0.5,
    finite: true,
    pairs: 1500,
    draws: Float64Array.of(0.4, 0.6),
    subsets: [],
    fingerprint: '00',
  };
  const scores = {
    protocol: 'mteb' as const,
    tasks: [score],
    seed: 0,
    fingerprint: '00',
    distinctTexts: 2,
    truncatedTexts: 0,
    nonFiniteEntries: 0,
  };
  const settings = {
    revision: null,
    pooling: 'mean',
    head: 'none',
    normalize: true,
    maxTokens: 40,
    precision: 'float32',
    prompt: null,
    dimensions: 2,
  };
  fc.assert(
    fc.property(hostile, (model) => {
      const report = createStsReport({ settings: { ...settings, model }, scores });
      const forms = [stsReportAsTable, stsReportAsMarkdown, stsReportAsLatex, stsReportAsCsv];
      for (const form of forms) {
        assert.doesNotMatch(forTerminal(form(report)), acted);
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});
