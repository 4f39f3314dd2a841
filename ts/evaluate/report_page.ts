import { withoutUndefined } from '../files/canonical_json.js';
import { barChart } from '../report/charts.js';
import { htmlPage } from '../report/page.js';
import type { ReportBlock } from '../report/page.js';
import type { StsReport } from './report.js';
import { stsReportNotes } from './report_formats.js';
import { stsTasks } from './sts_tasks.js';

/** The report as one self-contained HTML page: table, intervals, what was run on what. */
export function stsReportAsHtml(report: StsReport): Promise<string> {
  const { compare, model, protocol } = report;
  return htmlPage({
    title: `STS scores of ${model}`,
    subtitle: compare === undefined ? `protocol ${protocol}` : `beside ${compare.model}`,
    sections: [
      { title: 'Scores', blocks: stsBlocks(report) },
      {
        title: 'Settings',
        blocks: stsReportNotes(report).map((text) => ({ kind: 'text', text })),
      },
    ],
    data: withoutUndefined(report),
  });
}

/** Table and chart of a report; `second` names the model that it is compared with. */
export function stsBlocks(report: StsReport, second: string = 'second'): readonly ReportBlock[] {
  const { compare } = report;
  const numeric = true;
  const columns = [
    { title: 'task' },
    { title: 'pairs', numeric },
    { title: 'Spearman', numeric },
    { title: '95 % interval', numeric },
  ];
  const compared = [
    { title: second, numeric },
    { title: 'difference', numeric },
    { title: '95 % interval', numeric },
  ];
  return [
    {
      kind: 'table',
      caption: `Spearman x 100, protocol ${report.protocol}, 95 % bootstrap intervals`,
      columns: compare === undefined ? columns : [...columns, ...compared],
      rows: scoreRows(report),
    },
    {
      kind: 'chart',
      title: 'Spearman x 100 with its 95 % interval',
      chart: barChart({
        x: 'Spearman x 100',
        style: 'points',
        bars: [
          ...report.tasks.map(({ name, spearman, interval }) => ({
            name: stsTasks[name].title,
            value: spearman,
            interval,
          })),
          { name: 'average', value: report.average, interval: report.averageInterval },
        ],
      }),
    },
  ];
}

type Cells = readonly (string | number)[];

function scoreRows({ tasks, compare, ...report }: StsReport): readonly Cells[] {
  const rows = tasks.flatMap((task, i): readonly Cells[] => [
    [
      stsTasks[task.name].title,
      task.pairs,
      score(task.spearman),
      between(task.interval),
      ...(compare === undefined ? [] : differenceCells(compare.tasks[i]!)),
    ],
    ...(task.subsets ?? []).map((subset) => {
      return [`· ${subset.name}`, subset.pairs, score(subset.spearman)];
    }),
  ]);
  const average = [
    'average',
    report.data.rows,
    score(report.average),
    between(report.averageInterval),
    ...(compare === undefined ? [] : differenceCells({ ...compare, spearman: compare.average })),
  ];
  return [...rows, average];
}

function differenceCells(row: {
  readonly spearman: number;
  readonly difference: number;
  readonly interval: readonly [number, number];
}): Cells {
  const sign = row.difference > 0 ? '+' : '';
  return [score(row.spearman), `${sign}${score(row.difference)}`, between(row.interval)];
}

function score(value: number): string {
  return value.toFixed(2);
}

function between([low, high]: readonly [number, number]): string {
  return `${score(low)} to ${score(high)}`;
}
