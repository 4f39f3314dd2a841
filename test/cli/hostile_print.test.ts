import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeOverlap, describeRewrite, describeStats } from '#dist/cli/data_text.js';
import { describeEstimate, describeLedger, describeResult } from '#dist/cli/generation_text.js';
import { dataCard } from '#dist/generate/data_card.js';
import type { RunSummary } from '#dist/generate/run_summary.js';
import { htmlPage } from '#dist/report/page.js';

const acted =
  // oxlint-disable-next-line no-control-regex -- control bytes are what must not be there
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\u001b', '[', ']', '\u0007', '\u009b', '\\', 'm', '\u202e', '\r', '\u2028'),
    fc.constantFrom('\n', '|', '`', '<', '---', '\ud800', 'x'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  minLength: 1,
});

const sums = { settledCalls: 1, settledTokens: 9, bookedCalls: 1, bookedTokens: 9 };
const bills = { forcedDoubleBills: 0, secondTries: 0, avoidableDoubleBills: 0, overrunTokens: 1 };
const prices = { currency: 'EUR', models: {} };

function ledgerOf(text: string) {
  const used = { inputTokens: 5, outputTokens: 4 };
  const tokens = { tokens: 9, ...used, atWorst: used };
  const mode = 'batch' as const;
  const rows = [{ model: text, template: text, mode, outcome: 'ok', calls: 1, ...tokens }];
  return { ...sums, ...bills, heldCalls: 0, heldTokens: 0, openCalls: 0, openTokens: 0, rows };
}

function commitOf(text: string) {
  const files = [{ name: 'data.jsonl', rows: 1, sha256: 'a'.repeat(64) }];
  const commit = { kind: 'commit', plan: 'a'.repeat(64), files, units: 1 } as const;
  return { ...commit, lastStage: text, quarantined: { refusal: 1 } };
}

function planOf(text: string) {
  const shared = { recipe: text, model: text, templates: {}, refusals: '', slotWeights: null };
  const plan = { ...shared, seed: 0, input: null, limit: null };
  return { ...plan, settings: { kind: text }, output: { source: text, licence: text } };
}

/** What each command would print, or write for people, about a text that it was given. */
const paths: Readonly<Record<string, (text: string) => string>> = {
  result: (text) => {
    const stop = { kind: 'provider', reason: text, sentence: text } as never;
    const stopped = describeResult({ kind: 'stopped', stop, ledger: ledgerOf(text) }, text, true);
    const commit = commitOf(text);
    return stopped + describeResult({ kind: 'done', commit, ledger: ledgerOf(text) }, text, true);
  },
  ledger: (text) => describeLedger(ledgerOf(text), prices),
  estimate: (text) => {
    const counts = { units: 1, calls: 1, inputTokens: 1, maxOutputTokens: 1, claimTokens: 1 };
    return describeEstimate({ ...counts, prompts: [[{ role: 'user', text }]] }, text, prices);
  },
  stats: (text) => {
    const named = [{ name: text, rows: 1 }];
    const lengths = { anchor: null, positive: null, hardNegatives: null };
    const counts = { rows: 1, unsupervised: 0, groups: 0, distinctTexts: 1, duplicateRows: 0 };
    const others = { repeatedAnchors: 0, repeatedIds: 0, nearAnchors: null, replaced: 0 };
    const scores = { positiveScore: null, negativeScore: null };
    const stats = { ...counts, ...others, lengths, scores, hardNegatives: [] };
    const bad = [{ file: text, line: 1, field: text, reason: text }];
    return describeStats({ ...stats, sources: named, tasks: named }, bad);
  },
  overlap: (text) => {
    const match = { id: text, kind: 'near', text, evaluationText: text, sets: ['stsb'] };
    const sets = [{ name: 'stsb', texts: 1, exact: 1, near: 0, examples: 1 }];
    const report = { threshold: 0.8, ngram: 5, examples: 1, overlapping: 1, sets, capped: 0 };
    const matched = { ...report, matches: [match], matchesTotal: 1, missing: [], badRows: 0 };
    return describeOverlap(matched as never, text);
  },
  rewrite: (text) => {
    const counts = { read: 1, written: 0, dropped: 0, failed: 1, formulas: 0 };
    return describeRewrite({ ...counts, output: text, quarantine: text }, {});
  },
  card: (text) => {
    const template = { id: text, version: 1, hash: 'a'.repeat(64), decoding: {}, calls: 1 };
    const summary: RunSummary = {
      rows: 1,
      lengths: { anchor: [1], positive: [1], hardNegative: [] },
      hardNegatives: 0,
      sources: new Map([[text, 1]]),
      groups: new Map([[text, 1]]),
      templates: new Map([[text, template]]),
      samples: [],
      dropped: [],
    };
    const facts = { plan: planOf(text), commit: commitOf(text), ledger: ledgerOf(text) };
    const card = dataCard({ ...facts, summary, prices });
    // No text adds a line, a table's column or a tag to the card, whatever it is.
    const shape = (whole: string): string[] =>
      whole.split('\n').map((line) => line.replaceAll(/[^|]/g, ''));
    const plain = text === 'plain' ? card : paths['card']!('plain');
    assert.equal(
      shape(card).length - licenceLines(card),
      shape(plain).length - licenceLines(plain),
    );
    return card;
  },
};

function licenceLines(card: string): number {
  return card.split('\n').filter((line) => line.startsWith('license')).length;
}

test('no print path lets a text act on the terminal: 2,000 texts each', () => {
  for (const [name, print] of Object.entries(paths)) {
    fc.assert(
      fc.property(hostile, (text) => {
        const printed = print(text);
        assert.doesNotMatch(printed, acted, name);
        assert.doesNotMatch(printed, /\p{Surrogate}/u, name);
      }),
      { numRuns: 2000, seed: 7 },
    );
  }
});

test('nor does a page: 2,000 texts as title, cell, sample and data', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, async (text) => {
      const page = await htmlPage({
        title: text,
        data: { [text]: text },
        sections: [
          {
            title: text,
            blocks: [
              { kind: 'table', columns: [{ title: text }], rows: [[text]] },
              { kind: 'samples', samples: [{ title: text, fields: [{ label: text, text }] }] },
            ],
          },
        ],
      });
      assert.doesNotMatch(page, acted);
      assert.doesNotMatch(page, /\p{Surrogate}/u);
    }),
    { numRuns: 2000, seed: 8 },
  );
});
