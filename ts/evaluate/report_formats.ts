import { csvLine } from '../files/csv.js';
import type { ModelSettings, StsComparison, StsReport } from './report.js';
import { stsTasks } from './sts_tasks.js';

/** The report as JSON, two spaces deep, keys always in the same order. */
export function stsReportAsJson(report: StsReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** A table for a terminal: a line a task, then the settings behind every score. */
export function stsReportAsTable(report: StsReport): string {
  const { compare } = report;
  const head = ['task', 'pairs', 'spearman', '95 % interval'];
  const rows: string[][] = [
    compare === undefined ? head : [...head, 'second', 'difference', '95 % interval'],
  ];
  for (const [i, task] of report.tasks.entries()) {
    const row = [
      stsTasks[task.name].title,
      grouped(task.pairs),
      score(task.spearman),
      span(task.interval),
    ];
    rows.push([...row, ...(compare === undefined ? [] : differenceCells(compare.tasks[i]!))]);
    for (const subset of task.subsets ?? []) {
      rows.push([`  ${subset.name}`, grouped(subset.pairs), score(subset.spearman), '']);
    }
  }
  const average = [
    'average',
    grouped(report.data.rows),
    score(report.average),
    span(report.averageInterval),
  ];
  const compared =
    compare === undefined ? [] : differenceCells({ ...compare, spearman: compare.average });
  rows.push([...average, ...compared]);
  return [
    `STS, protocol ${report.protocol}, Spearman x 100`,
    ...aligned(rows),
    '',
    ...stsReportNotes(report),
    '',
  ].join('\n');
}

function differenceCells(row: {
  readonly spearman: number;
  readonly difference: number;
  readonly interval: readonly [number, number];
}): string[] {
  const sign = row.difference > 0 ? '+' : '';
  return [score(row.spearman), `${sign}${score(row.difference)}`, span(row.interval)];
}

/** The first column starts on the left, numbers end on the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** GitHub Markdown: a row a model, a column a task. */
export function stsReportAsMarkdown(report: StsReport): string {
  const header = ['model', ...report.tasks.map((task) => stsTasks[task.name].title), 'average'];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(header),
    line(header.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...wideRows(report).map(([name, ...cells]) => line([escapeMarkdown(name!), ...cells])),
    '',
    ...stsReportNotes(report).map((text) => `- ${escapeMarkdown(text)}`),
    '',
  ].join('\n');
}

/** A LaTeX tabular with booktabs rules; the settings follow as comments. */
export function stsReportAsLatex(report: StsReport): string {
  const header = ['model', ...report.tasks.map((task) => stsTasks[task.name].title), 'Avg.'];
  const line = (cells: readonly string[]): string => `${cells.join(' & ')} \\\\`;
  return [
    `\\begin{tabular}{l${'r'.repeat(report.tasks.length + 1)}}`,
    '\\toprule',
    line(header),
    '\\midrule',
    ...wideRows(report).map(([name, ...cells]) => line([escapeLatex(name!), ...cells])),
    '\\bottomrule',
    '\\end{tabular}',
    ...stsReportNotes(report).map((text) => `% ${text.replace(/\s+/g, ' ')}`),
    '',
  ].join('\n');
}

function wideRows(report: StsReport): string[][] {
  const { compare } = report;
  const spans = report.tasks.map((task) => span(task.interval));
  const rows = [
    [report.model, ...report.tasks.map((task) => score(task.spearman)), score(report.average)],
    ['95 % interval', ...spans, span(report.averageInterval)],
  ];
  return compare === undefined ? rows : [...rows, ...comparisonRows(compare)];
}

function comparisonRows({ model, average, difference, interval, tasks }: StsComparison) {
  return [
    [model, ...tasks.map((task) => score(task.spearman)), score(average)],
    ['difference', ...tasks.map((task) => score(task.difference)), score(difference)],
    ['its 95 % interval', ...tasks.map((task) => span(task.interval)), span(interval)],
  ];
}

/** A row a task and one for the average, settings repeated in each. */
export function stsReportAsCsv(report: StsReport): string {
  const models = [
    { model: report.model, settings: report.settings, compared: undefined },
    ...(report.compare === undefined
      ? []
      : [
          {
            model: report.compare.model,
            settings: report.compare.settings,
            compared: report.compare,
          },
        ]),
  ];
  let csv = csvLine(csvColumns);
  for (const { model, settings, compared } of models) {
    const cells = [model, ...settingCells(settings), report.protocol];
    const tail = [report.bootstrap.seed, report.bootstrap.draws, report.data.fingerprint];
    const add = (task: string, pairs: number, values: readonly (number | null)[]): void => {
      csv += csvLine([...cells, task, pairs, ...values, ...tail]);
    };
    for (const [i, task] of report.tasks.entries()) {
      const other = compared?.tasks[i];
      add(
        task.name,
        task.pairs,
        other === undefined
          ? [task.spearman, ...task.interval, null, null, null]
          : [other.spearman, null, null, other.difference, ...other.interval],
      );
    }
    add(
      'average',
      report.data.rows,
      compared === undefined
        ? [report.average, ...report.averageInterval, null, null, null]
        : [compared.average, null, null, compared.difference, ...compared.interval],
    );
  }
  return csv;
}

const csvColumns = [
  'model',
  'revision',
  'pooling',
  'head',
  'normalize',
  'maxTokens',
  'precision',
  'prompt',
  'dimensions',
  'protocol',
  'task',
  'pairs',
  'spearman',
  'low',
  'high',
  'difference',
  'differenceLow',
  'differenceHigh',
  'seed',
  'draws',
  'fingerprint',
];

function settingCells(settings: Omit<ModelSettings, 'model'>): (string | number | null)[] {
  return [
    settings.revision,
    settings.pooling,
    settings.head,
    String(settings.normalize),
    settings.maxTokens,
    settings.precision,
    settings.prompt,
    settings.dimensions,
  ];
}

/** What was run on what, and what to be warned of: sentences that belong beside every score. */
export function stsReportNotes(report: StsReport): string[] {
  const { bootstrap, data, compare } = report;
  return [
    describeModel(report.model, report.settings),
    ...(compare === undefined
      ? []
      : [`second: ${describeModel(compare.model, compare.settings)}; difference = first - second`]),
    `protocol ${report.protocol}, ${grouped(data.rows)} rows, ${grouped(data.distinctTexts)} ` +
      `distinct texts, data sha256 ${data.fingerprint}`,
    `intervals: ${grouped(bootstrap.draws)} bootstrap draws, seed ${bootstrap.seed}`,
    ...unseenNotes(report),
    ...report.warnings.map((warning) => `warning: ${warning}`),
    ...(compare?.warnings ?? []).map((warning) => `warning: second: ${warning}`),
  ];
}

/** Scores without the pairs of which a text is in the training data (METHODS 11.5). */
function unseenNotes({ tasks, averageUnseen }: StsReport): string[] {
  const parts = tasks.flatMap(({ name, pairs, unseen }) =>
    unseen === undefined
      ? []
      : [
          `${stsTasks[name].title} ${score(unseen.spearman)} ` +
            `(${grouped(pairs - unseen.pairs)} of ${grouped(pairs)} pairs less)`,
        ],
  );
  if (parts.length === 0) return [];
  const average = averageUnseen === undefined ? '' : `; average ${score(averageUnseen)}`;
  return [`without pairs that share a text with the training data: ${parts.join(', ')}${average}`];
}

function describeModel(model: string, settings: Omit<ModelSettings, 'model'>): string {
  const revision = settings.revision === null ? '' : ` at ${settings.revision}`;
  return [
    `${model}${revision}: pooling ${settings.pooling}`,
    `head ${settings.head}`,
    `normalize ${settings.normalize}`,
    `max ${settings.maxTokens} tokens`,
    settings.precision,
    `prompt ${settings.prompt ?? 'none'}`,
    `${settings.dimensions} dimensions`,
  ].join(', ');
}

function score(value: number): string {
  return value.toFixed(2);
}

function span([low, high]: readonly [number, number]): string {
  return `${score(low)} to ${score(high)}`;
}

function grouped(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\|`*_<>[\]]/g, '\\$&').replace(/\s+/g, ' ');
}

const latexEscapes: ReadonlyMap<string, string> = new Map([
  ['\\', '\\textbackslash{}'],
  ['~', '\\textasciitilde{}'],
  ['^', '\\textasciicircum{}'],
]);

function escapeLatex(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\~^{}$&#_%]/g, (mark) => latexEscapes.get(mark) ?? `\\${mark}`);
}
