import { join } from 'node:path';

import { writeFileAtomic } from '../files/atomic.js';
import { withoutUndefined } from '../files/canonical_json.js';
import { barChart, histogramChart } from '../report/charts.js';
import { groupedNumber, htmlPage } from '../report/page.js';
import type { ReportBlock, ReportSample, ReportSection } from '../report/page.js';
import type { Vectors } from '../diversity/vectors.js';
import { dataCard } from './data_card.js';
import type { RunFacts } from './data_card.js';
import { diversitySection } from './diversity_section.js';
import type { Example } from './example.js';
import type { LedgerReport } from './ledger_report.js';
import { moneyText } from './money.js';
import { ledgerPrices } from './prices.js';
import type { OverlapResult } from './overlap_result.js';
import type { PriceTable } from './prices.js';
import type { Commit, GenerationPlan } from './run_records.js';
import { drawnPlaces, measuredRows, summarizeRun } from './run_summary.js';
import type { DroppedRow } from './run_summary.js';

/** Cosines of drawn rows, by the encoder that a report is made with. */
export interface PairSimilarities {
  readonly model: string;
  readonly positives: readonly number[];
  /** Of the same rows; NaN where a row has none. */
  readonly hardNegatives: readonly number[];
  /** Of the anchors of the same rows. */
  readonly anchors: Vectors;
}

export interface RunReportOptions {
  readonly plan: GenerationPlan;
  readonly commit: Commit;
  readonly ledger: LedgerReport;
  readonly prices: PriceTable;
  /** Of a scan of this run's rows. */
  readonly overlap?: OverlapResult | undefined;
  /** Measures rows; absent where no encoder is at hand. */
  readonly measure?: ((rows: readonly Example[]) => Promise<PairSimilarities>) | undefined;
}

export const reportName = 'report.html';
export const cardName = 'card.md';

/** Writes `card.md` and `report.html` into the folder of a finished run. */
export async function writeRunReport(folder: string, options: RunReportOptions): Promise<void> {
  const { plan, commit, ledger, prices, overlap, measure } = options;
  const total = commit.files.find(({ name }) => name === 'data.jsonl')?.rows ?? 0;
  const places = drawnPlaces(total, measuredRows);
  const drawn: Example[] = [];
  const summary = await summarizeRun(folder, total, (row, place) => {
    if (places.has(place)) drawn.push(row);
  });
  const similarities =
    measure === undefined || drawn.length === 0 ? undefined : await measure(drawn);
  const facts = { plan, commit, ledger, prices, overlap, summary };
  await writeFileAtomic(join(folder, cardName), dataCard(facts));
  await writeFileAtomic(join(folder, reportName), await page(facts, drawn, similarities));
}

function page(
  facts: RunFacts,
  drawn: readonly Example[],
  similarities: PairSimilarities | undefined,
): Promise<string> {
  const { plan, commit, ledger, summary } = facts;
  const isRehearsal = plan.model === 'rehearsal';
  return htmlPage({
    title: `Data by the recipe ${plan.recipe}`,
    subtitle: `model ${plan.model}, seed ${plan.seed}`,
    ...(isRehearsal ? { badge: 'rehearsal' } : {}),
    sections: [
      { title: 'Run', blocks: [figures(facts), ...notices(facts)] },
      { title: 'Cost', blocks: costBlocks(ledger) },
      { title: 'Lengths', blocks: lengthBlocks(facts) },
      ...(similarities === undefined ? [] : [similaritySection(similarities)]),
      ...(summary.sources.size + summary.groups.size < 2 ? [] : [shareSection(facts)]),
      ...(drawn.length === 0 ? [] : [diversitySection(drawn, similarities?.anchors)]),
      { title: 'Rows', blocks: [{ kind: 'samples', samples: summary.samples.map(sampleOf) }] },
      ...(facts.overlap === undefined ? [] : [overlapSection(facts.overlap)]),
      ...(summary.dropped.length === 0 ? [] : [dropSection(facts)]),
    ],
    data: withoutUndefined({ plan, commit, ledger }),
  });
}

function figures({ commit, ledger, prices, summary }: RunFacts): ReportBlock {
  const dropped = Object.values(commit.quarantined).reduce((sum, n) => sum + n, 0);
  const priced = ledgerPrices(ledger, prices).filter(({ cost }) => cost !== undefined);
  return {
    kind: 'figures',
    figures: [
      { label: 'rows', value: summary.rows, note: `of ${groupedNumber(commit.units)}` },
      { label: 'in quarantine', value: dropped },
      { label: 'calls paid for', value: ledger.settledCalls },
      { label: 'tokens', value: ledger.settledTokens },
      ...priced.map(({ model, mode, cost }) => ({
        label: 'by the price table',
        value: `${moneyText(cost!.known)} ${prices.currency}`,
        note: mode === 'batch' ? `${model}, by the Batch API` : model,
      })),
    ],
  };
}

function notices({ plan, ledger }: RunFacts): ReportBlock[] {
  const blocks: ReportBlock[] = [];
  if (plan.model === 'rehearsal') {
    const text = 'Written by rule, without a model: for trying a run out, not for training on.';
    blocks.push({ kind: 'notice', tone: 'warning', text });
  }
  if (ledger.bookedCalls > 0) {
    const text =
      `${groupedNumber(ledger.bookedCalls)} calls ended without a known cost and stay booked at ` +
      `their worst case, ${groupedNumber(ledger.bookedTokens)} tokens, until a bill tells.`;
    blocks.push({ kind: 'notice', text });
  }
  return blocks;
}

function costBlocks(ledger: LedgerReport): ReportBlock[] {
  const numeric = true;
  const rows = ledger.rows.map(
    ({ model, template, mode, outcome, calls, tokens, inputTokens, outputTokens }) =>
      [model, template, mode, outcome, calls, tokens, inputTokens, outputTokens] as const,
  );
  const { forcedDoubleBills, secondTries, avoidableDoubleBills } = ledger;
  return [
    {
      kind: 'table',
      columns: [
        { title: 'model' },
        { title: 'template' },
        { title: 'by' },
        { title: 'outcome' },
        { title: 'calls', numeric },
        { title: 'tokens', numeric },
        { title: 'in', numeric },
        { title: 'out', numeric },
      ],
      rows,
    },
    {
      kind: 'text',
      text:
        `Paid again: ${forcedDoubleBills} forced (a fault took the answer), ${secondTries} second ` +
        `tries of answers that could not be used, ${avoidableDoubleBills} avoidable.`,
    },
  ];
}

function lengthBlocks({ summary: { lengths } }: RunFacts): ReportBlock[] {
  const series = [
    { name: 'anchor', values: lengths.anchor },
    { name: 'positive', values: lengths.positive },
    { name: 'hard negative', values: lengths.hardNegative },
  ].filter(({ values }) => values.length > 0);
  if (series.length === 0) return [{ kind: 'text', text: 'No rows.' }];
  return [
    {
      kind: 'chart',
      title: 'Characters of a text',
      chart: histogramChart({ x: 'characters', series }),
    },
  ];
}

function similaritySection({ model, positives, hardNegatives }: PairSimilarities): ReportSection {
  const series = [
    { name: 'anchor and positive', values: positives },
    { name: 'anchor and hard negative', values: hardNegatives },
  ].filter(({ values }) => values.some(Number.isFinite));
  const compared = positives.filter((_, at) => Number.isFinite(hardNegatives[at])).length;
  const above = positives.filter((value, at) => value > (hardNegatives[at] ?? NaN)).length;
  const note = `The positive is the more similar one in ${above} of ${compared}.`;
  return {
    title: 'Similarity',
    blocks: [
      {
        kind: 'chart',
        title: `Cosine by ${model}, ${groupedNumber(positives.length)} rows`,
        chart: histogramChart({ x: 'cosine', series, range: [-0.2, 1] }),
        ...(compared === 0 ? {} : { note }),
      },
    ],
  };
}

function shareSection({ summary: { sources, groups } }: RunFacts): ReportSection {
  const blocks: ReportBlock[] = [];
  for (const [title, counts] of [
    ['Rows by source', sources],
    ['Rows by group', groups],
  ] as const) {
    if (counts.size < 2) continue;
    const bars = [...counts]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 30)
      .map(([name, value]) => ({ name, value }));
    blocks.push({ kind: 'chart', title, chart: barChart({ x: 'rows', bars }) });
  }
  return { title: 'Shares', blocks };
}

function overlapSection(overlap: OverlapResult): ReportSection {
  const numeric = true;
  const { overlapping, examples, excluded } = overlap;
  const counts = `${groupedNumber(overlapping)} of ${groupedNumber(examples)} rows`;
  return {
    title: 'Overlap with evaluation sets',
    blocks: [
      {
        kind: 'table',
        caption:
          excluded === true
            ? `${counts} shared a text with a set and were left out`
            : `${counts} share a text with a set`,
        columns: [
          { title: 'set' },
          { title: 'its texts, equal', numeric },
          { title: 'near', numeric },
          { title: 'rows', numeric },
        ],
        rows: overlap.sets.map(({ name, exact, near, examples: rows }) => [
          name,
          exact,
          near,
          rows,
        ]),
      },
    ],
  };
}

function dropSection({ commit, summary }: RunFacts): ReportSection {
  return {
    title: 'Quarantine',
    blocks: [
      {
        kind: 'table',
        columns: [{ title: 'reason' }, { title: 'rows', numeric: true }],
        rows: Object.entries(commit.quarantined),
      },
      { kind: 'samples', samples: summary.dropped.map(dropSample) },
    ],
  };
}

function sampleOf({ id, anchor, positive, hardNegatives }: Example): ReportSample {
  return {
    title: id,
    fields: [
      { label: 'anchor', text: anchor },
      { label: 'positive', text: positive, tone: 'good' },
      ...hardNegatives.map((text) => ({ label: 'hard negative', text, tone: 'bad' as const })),
    ],
  };
}

function dropSample({ id, reason, detail, answer }: DroppedRow): ReportSample {
  return {
    title: `${id}: ${reason}`,
    fields: [
      { label: 'why', text: detail },
      ...(answer === undefined ? [] : [{ label: 'answer', text: answer }]),
    ],
  };
}
