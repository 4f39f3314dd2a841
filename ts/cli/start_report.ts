import { writeFileAtomic } from '../files/atomic.js';
import { histogramChart } from '../report/charts.js';
import { htmlPage } from '../report/page.js';
import type { ReportSection } from '../report/page.js';
import type { GradedPairsScore } from '../evaluate/graded_pairs.js';
import { nearerPositives } from './start_steps.js';
import type { NearestTexts, Rehearsed, StsTable } from './start_steps.js';
import type { TrainedFew } from './start_train.js';

/** What `simgpt start` found, in the order in which the page shows it. */
export interface StartFindings {
  readonly model: string;
  readonly rehearsed: Rehearsed;
  readonly trained: TrainedFew | undefined;
  readonly nearest: readonly NearestTexts[];
  /** The test rows of the package's own graded pairs, before the training. */
  readonly pairs: GradedPairsScore;
  /** All of them. */
  readonly own: GradedPairsScore;
  readonly sts: StsTable | undefined;
}

/** Triples that the page shows. */
const shownTriples = 12;

/** Writes everything on one page that needs no network. */
export async function writeStartReport(path: string, findings: StartFindings): Promise<void> {
  const { model, rehearsed, trained, nearest, pairs, own, sts } = findings;
  const sections = [
    rehearsalSection(rehearsed),
    ...(trained === undefined ? [] : [trainingSection(pairs, trained)]),
    {
      title: 'Nearest sentences',
      blocks: [
        {
          kind: 'table' as const,
          columns: [{ title: 'query' }, { title: 'sentence' }, { title: 'cosine', numeric: true }],
          rows: nearest.flatMap(({ query, found }) =>
            found.map(({ text, cosine }, i) => [i === 0 ? query : '', text, cosine.toFixed(3)]),
          ),
        },
      ],
    },
    scoreSection(own, sts),
  ];
  const page = await htmlPage({
    title: 'simgpt start',
    subtitle: model,
    badge: 'rehearsal',
    sections,
  });
  await writeFileAtomic(path, page);
}

function rehearsalSection(rehearsed: Rehearsed): ReportSection {
  const { triples, positives, negatives } = rehearsed;
  return {
    title: 'Rehearsed triples',
    blocks: [
      {
        kind: 'notice',
        tone: 'warning',
        text: 'Written by rule, without a model: for trying a run out, not for use.',
      },
      {
        kind: 'figures',
        figures: [
          { label: 'triples', value: triples.length },
          {
            label: 'positive nearer than hard negative',
            value: `${nearerPositives(rehearsed)} of ${triples.length}`,
          },
        ],
      },
      {
        kind: 'chart',
        title: 'Cosine with the anchor',
        chart: histogramChart({
          x: 'cosine',
          range: [-0.2, 1],
          series: [
            { name: 'positive', values: positives },
            { name: 'hard negative', values: negatives },
          ],
        }),
      },
      {
        kind: 'samples',
        samples: triples.slice(0, shownTriples).map(({ anchor, positive, hardNegatives }) => ({
          fields: [
            { label: 'anchor', text: anchor },
            { label: 'positive', text: positive, tone: 'good' as const },
            { label: 'hard negative', text: hardNegatives[0] ?? '', tone: 'bad' as const },
          ],
        })),
      },
    ],
  };
}

function trainingSection(pairs: GradedPairsScore, trained: TrainedFew): ReportSection {
  const { steps, meanLoss, after } = trained;
  const score = ({ spearman }: GradedPairsScore): string => (100 * spearman).toFixed(2);
  return {
    title: 'A few steps of training',
    blocks: [
      {
        kind: 'figures',
        figures: [
          { label: 'steps', value: steps },
          { label: 'mean loss', value: meanLoss.toFixed(3) },
          { label: 'own graded pairs', value: `${score(pairs)} to ${score(after)}` },
        ],
      },
    ],
  };
}

function scoreSection(pairs: GradedPairsScore, sts: StsTable | undefined): ReportSection {
  const interval = ([low, high]: readonly [number, number], times: number): string =>
    `${(times * low).toFixed(2)} to ${(times * high).toFixed(2)}`;
  const score = (100 * pairs.spearman).toFixed(2);
  const own = ['our own graded pairs', pairs.pairs, score, interval(pairs.interval, 100)] as const;
  const tasks = (sts?.report.tasks ?? []).map(
    (task) =>
      [task.name, task.pairs, task.spearman.toFixed(2), interval(task.interval, 1)] as const,
  );
  return {
    title: 'Scores, Spearman x 100',
    blocks: [
      {
        kind: 'table',
        columns: [
          { title: 'set' },
          { title: 'pairs', numeric: true },
          { title: 'Spearman', numeric: true },
          { title: '95 % interval', numeric: true },
        ],
        rows: [own, ...tasks],
      },
    ],
  };
}
