import { join } from 'node:path';

import { stsTasks } from '../evaluate/sts_tasks.js';
import { withoutUndefined } from '../files/canonical_json.js';
import { readJsonFile } from '../files/json.js';
import { htmlPage } from '../report/page.js';
import type { ReportBlock } from '../report/page.js';
import type { Prepared } from './prepare.js';
import type { RunEvaluation } from './run_evaluation.js';
import { spreadOf } from './seeds.js';
import type { SeedSummary, Spread } from './seeds.js';

/** What the page tells of the run of one seed. */
export interface SeedRun {
  readonly seed: number;
  readonly steps: number;
  readonly selected: { readonly step: number; readonly score: number | null };
  /** In [-1, 1]. */
  readonly testScore: number | null;
  readonly folder: string;
}

/** The runs of several seeds on one page: mean and spread of every score, and where each run is. */
export async function seedsReport(
  { recipe, checkpoint }: Pick<Prepared, 'recipe' | 'checkpoint'>,
  runs: readonly SeedRun[],
  summary: SeedSummary,
): Promise<string> {
  const evaluations = await Promise.all(runs.map(({ folder }) => readEvaluation(folder)));
  return htmlPage({
    title: `Training of ${checkpoint.id}, ${runs.length} seeds`,
    subtitle: `recipe ${recipe.name}${recipe.variant === null ? '' : `, ${recipe.variant}`}`,
    sections: [
      { title: 'Over the seeds', blocks: [spreadTable(evaluations, summary)] },
      { title: 'Each seed', blocks: [seedTable(runs), links(runs)] },
    ],
    data: withoutUndefined({ recipe, summary }),
  });
}

async function readEvaluation(folder: string): Promise<RunEvaluation> {
  const { fields } = await readJsonFile(join(folder, 'evaluation.json'));
  return fields as unknown as RunEvaluation;
}

/** Scores times 100, the untouched model's beside them. */
function spreadTable(evaluations: readonly RunEvaluation[], { steps }: SeedSummary): ReportBlock {
  const [first] = evaluations;
  const dev = (first?.dev ?? []).map(({ name, before }, i): readonly (string | null)[] => [
    `dev: ${name}`,
    ...spreadCells(spreadOf(evaluations.map((each) => 100 * each.dev[i]!.after.spearman))),
    (100 * before.spearman).toFixed(2),
  ]);
  const tests = evaluations.flatMap(({ test }) => (test === null ? [] : [test]));
  const test = (tests[0]?.tasks ?? []).map(({ name }, i): readonly (string | null)[] => [
    `test: ${stsTasks[name].title}`,
    ...spreadCells(spreadOf(tests.map(({ tasks }) => tasks[i]!.spearman))),
    tests[0]?.compare?.tasks[i]?.spearman.toFixed(2) ?? null,
  ]);
  const average =
    tests[0] === undefined
      ? []
      : [
          [
            'test: average',
            ...spreadCells(spreadOf(tests.map((report) => report.average))),
            tests[0].compare?.average.toFixed(2) ?? null,
          ],
        ];
  const numeric = true;
  return {
    kind: 'table',
    caption: 'Spearman x 100 of the selected models; sd of the sample',
    columns: [
      { title: 'value' },
      ...['mean', 'sd', 'min', 'max', 'before training'].map((title) => ({ title, numeric })),
    ],
    rows: [...dev, ...test, ...average, ['steps', ...spreadCells(steps), null]],
  };
}

function spreadCells({ mean, sd, min, max }: Spread): readonly (string | null)[] {
  return [mean, sd, min, max].map((value) => value?.toFixed(2) ?? null);
}

function seedTable(runs: readonly SeedRun[]): ReportBlock {
  const hundredfold = (rho: number | null): string | null =>
    rho === null ? null : (100 * rho).toFixed(2);
  const titles = ['steps', 'selected step', 'dev score', 'test score'];
  return {
    kind: 'table',
    caption: 'Spearman x 100',
    columns: [{ title: 'seed' }, ...titles.map((title) => ({ title, numeric: true }))],
    rows: runs.map(({ seed, steps, selected, testScore }) => [
      String(seed),
      steps,
      selected.step,
      hundredfold(selected.score),
      hundredfold(testScore),
    ]),
  };
}

function links(runs: readonly SeedRun[]): ReportBlock {
  return {
    kind: 'links',
    links: runs.map(({ seed }) => ({
      text: `report of seed ${seed}`,
      path: `seed-${seed}/report.html`,
    })),
  };
}
