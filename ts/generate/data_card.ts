import type { LedgerReport } from './ledger_report.js';
import type { OverlapResult } from './overlap_result.js';
import { moneyText } from './money.js';
import { ledgerPrices } from './prices.js';
import type { PriceTable } from './prices.js';
import type { Commit, GenerationPlan } from './run_records.js';
import type { RunSummary } from './run_summary.js';

export interface RunFacts {
  readonly plan: GenerationPlan;
  readonly commit: Commit;
  readonly ledger: LedgerReport;
  readonly summary: RunSummary;
  readonly prices: PriceTable;
  readonly overlap?: OverlapResult | undefined;
}

/** What a reader must know of a generated data set: how it was written, by what, and what it is not. */
export function dataCard(facts: RunFacts): string {
  const { plan, commit, summary } = facts;
  return [
    ...frontMatter(facts),
    '',
    `# Training data by the recipe ${inline(plan.recipe)}`,
    '',
    ...(plan.model === 'rehearsal'
      ? ['**Written by rule, without a model: for trying a run out, not for training on.**', '']
      : []),
    `${summary.rows} rows of ${commit.units}, each an anchor, a positive and ` +
      `${perRow(summary)} hard negatives, written by the model \`${inline(plan.model)}\` ` +
      `with seed ${plan.seed}.`,
    '',
    ...files(facts),
    ...lineage(facts),
    ...shares(summary),
    ...drops(facts),
    ...overlapLines(facts.overlap),
    '## Limits',
    '',
    'A language model wrote these texts. They may be wrong, biased or close to texts it was trained ' +
      'on; nobody has read all of them. Similar and dissimilar are its word, not a human judgement. ' +
      "The provider's terms and the licence of the input hold for what is done with them.",
    '',
  ].join('\n');
}

/** What the Hugging Face hub reads of a data set's card. */
function frontMatter({ plan, summary }: RunFacts): string[] {
  const category = sizeCategories.find(([most]) => summary.rows < most)?.[1] ?? 'n>1T';
  return [
    '---',
    `pretty_name: ${JSON.stringify(`Training data by the recipe ${inline(plan.recipe)}`)}`,
    ...licenceFields(plan.output['licence']),
    'task_categories: [sentence-similarity]',
    `size_categories: ["${category}"]`,
    'tags: [sentence-similarity, synthetic]',
    'configs:',
    '- config_name: default',
    '  data_files: data.jsonl',
    '---',
  ];
}

const sizeCategories = [
  [1e3, 'n<1K'],
  [1e4, '1K<n<10K'],
  [1e5, '10K<n<100K'],
  [1e6, '100K<n<1M'],
  [1e7, '1M<n<10M'],
  [1e8, '10M<n<100M'],
  [1e9, '100M<n<1B'],
] as const;

/** The hub knows licences by short names; any other is `other` with its name beside. */
function licenceFields(licence: string | undefined): string[] {
  if (licence === undefined) return [];
  if (/^[a-z][a-z0-9.-]*$/.test(licence)) return [`license: ${licence}`];
  return ['license: other', `license_name: ${JSON.stringify(inline(licence))}`];
}

function shares({ rows, sources, groups }: RunSummary): string[] {
  const lines = [
    ...[...sources].map(([name, n]) => ['source', name, n] as const),
    ...[...groups].map(([name, n]) => ['group', name, n] as const),
  ].map(
    ([kind, name, n]) =>
      `| ${kind} | ${inline(name)} | ${n} | ${((100 * n) / rows).toFixed(1)} % |`,
  );
  if (lines.length === 0) return [];
  return ['## Shares', '', '| of | name | rows | share |', '|---|---|---:|---:|', ...lines, ''];
}

function overlapLines(overlap: OverlapResult | undefined): string[] {
  if (overlap === undefined) {
    return ['## Overlap with evaluation sets', '', 'Not looked for here.', ''];
  }
  const { examples, overlapping, excluded, ngram, threshold, sets } = overlap;
  return [
    '## Overlap with evaluation sets',
    '',
    `${overlapping} of ${examples} rows ${excluded === true ? 'shared' : 'share'} a text with a ` +
      `set${excluded === true ? ' and were left out' : ''}: equal but for case and white space, or ` +
      `${threshold} of the character ${ngram}-grams.`,
    '',
    '| set | its texts, equal | near | rows |',
    '|---|---:|---:|---:|',
    ...sets.map(
      ({ name, exact, near, examples: rows }) =>
        `| ${inline(name)} | ${exact} | ${near} | ${rows} |`,
    ),
    '',
  ];
}

function perRow({ rows, hardNegatives }: RunSummary): string {
  return rows === 0 ? '0' : (hardNegatives / rows).toFixed(2).replace(/\.?0+$/, '');
}

function files({ commit }: RunFacts): string[] {
  const rows = commit.files.map(({ name, rows: n, sha256 }) => `| ${name} | ${n} | ${sha256} |`);
  return ['## Files', '', '| file | rows | sha256 |', '|---|---:|---|', ...rows, ''];
}

function lineage({ plan, summary }: RunFacts): string[] {
  const settings = Object.entries({ ...plan.settings, ...plan.output });
  const rows = [...summary.templates.values()].map(
    ({ id, version, hash, decoding, calls }) =>
      `| ${inline(id)} | ${version} | ${hash} | ${calls} | ${decodingOf(decoding)} |`,
  );
  const licence = plan.output['licence'];
  const stated =
    licence === undefined
      ? ' Its licence was not stated.'
      : ` Its licence, as stated by who made the run: ${inline(licence)}.`;
  const input =
    plan.input === null
      ? 'Made without an input.'
      : `Input: ${plan.input.bytes} bytes, sha256 ${plan.input.sha256}.${stated}`;
  return [
    '## Lineage',
    '',
    input,
    '',
    ...(settings.length === 0
      ? []
      : [settings.map(([name, value]) => `${name} \`${inline(value)}\``).join(', '), '']),
    '| template | version | sha256 | calls in rows | decoding |',
    '|---|---:|---|---:|---|',
    ...rows,
    '',
    'Each row names template, model, decoding, seed and the id of the row it was made from.',
    '',
  ];
}

function decodingOf(decoding: Readonly<Record<string, number>>): string {
  return Object.entries(decoding)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function drops({ commit, ledger, prices }: RunFacts): string[] {
  const rows = Object.entries(commit.quarantined).map(([reason, n]) => `| ${reason} | ${n} |`);
  const { settledCalls, settledTokens, bookedCalls } = ledger;
  const unknown = bookedCalls === 0 ? '' : `; ${bookedCalls} more ended without a known cost`;
  const named = ledgerPrices(ledger, prices).flatMap(({ model, mode, cost }) => {
    if (cost === undefined) return [];
    const by = mode === 'batch' ? ' by the Batch API' : '';
    const most = cost.atMost > cost.known ? `, at most ${moneyText(cost.atMost)}` : '';
    const price = `${moneyText(cost.known)} ${prices.currency}`;
    return [`At the given prices ${price} for \`${inline(model)}\`${by}${most}.`];
  });
  return [
    '## What was paid for and what was dropped',
    '',
    `${settledCalls} calls, ${settledTokens} tokens${unknown}.`,
    ...named,
    '',
    ...(rows.length === 0
      ? ['Nothing was dropped.', '']
      : ['| reason | rows |', '|---|---:|', ...rows, '']),
  ];
}

/** Untrusted text in Markdown: one line, nothing that starts markup or a tag. */
function inline(text: string): string {
  return text
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .replaceAll(/[`<>|\\[\]]/g, '')
    .slice(0, 200);
}
