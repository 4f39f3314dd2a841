import type { LedgerReport } from './ledger_report.js';
import type { Commit, GenerationPlan } from './run_records.js';
import type { RunSummary } from './run_summary.js';

export interface RunFacts {
  readonly plan: GenerationPlan;
  readonly commit: Commit;
  readonly ledger: LedgerReport;
  readonly summary: RunSummary;
}

/** What a reader must know of a generated data set: how it was written, by what, and what it is not. */
export function dataCard(facts: RunFacts): string {
  const { plan, commit, summary } = facts;
  return [
    '---',
    'tags: [sentence-similarity, synthetic]',
    `size: ${summary.rows}`,
    '---',
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
    ...drops(facts),
    '## Limits',
    '',
    'A language model wrote these texts. They may be wrong, biased or close to texts it was trained ' +
      'on; nobody has read all of them. Similar and dissimilar are its word, not a human judgement. ' +
      "The provider's terms and the licence of the input hold for what is done with them.",
    '',
  ].join('\n');
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
  const input =
    plan.input === null
      ? 'Made without an input.'
      : `Input: ${plan.input.bytes} bytes, sha256 ${plan.input.sha256}.`;
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

function drops({ commit, ledger }: RunFacts): string[] {
  const rows = Object.entries(commit.quarantined).map(([reason, n]) => `| ${reason} | ${n} |`);
  const { settledCalls, settledTokens, bookedCalls } = ledger;
  const unknown = bookedCalls === 0 ? '' : `; ${bookedCalls} more ended without a known cost`;
  return [
    '## What was paid for and what was dropped',
    '',
    `${settledCalls} calls, ${settledTokens} tokens${unknown}.`,
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
