import { readFile } from 'node:fs/promises';

import { histogramChart, lineChart } from '../report/charts.js';
import { htmlPage } from '../report/page.js';
import type { ReportBlock } from '../report/page.js';
import { stsBlocks } from '../evaluate/report_page.js';
import { withoutUndefined } from '../files/canonical_json.js';
import { histogramBins } from './run_evaluation.js';
import type { RunEvaluation } from './run_evaluation.js';
import type { EvaluationLine, LoopOutcome, StepLine } from './loop.js';
import type { Prepared } from './prepare.js';
import type { RunFolder } from './run_folder.js';

interface ReportInputs {
  readonly folder: RunFolder;
  readonly prepared: Prepared;
  readonly seed: number;
  readonly outcome: LoopOutcome;
  readonly evaluation: RunEvaluation;
}

interface TimingLine {
  readonly step: number;
  readonly textsPerSecond: number;
  readonly memoryBytes: number;
}

/** A run on one page: curves, dev and test scores, similarities before and after, throughput. */
export async function trainingReport(inputs: ReportInputs): Promise<string> {
  const { folder, prepared, seed, outcome, evaluation } = inputs;
  const lines = await readLines<StepLine | EvaluationLine>(folder.metrics);
  const timings = await readLines<TimingLine>(folder.timings);
  const { recipe, checkpoint } = prepared;
  const steps = lines.filter((line): line is StepLine => line.kind === 'step');
  const looks = lines.filter((line): line is EvaluationLine => line.kind === 'evaluation');
  const sections = [
    { title: 'Run', blocks: [figures(inputs, steps, timings), ...notices(inputs)] },
    { title: 'Training', blocks: trainingBlocks(steps, looks) },
    ...(evaluation.dev.length === 0
      ? []
      : [{ title: 'Similarities of the dev pairs', blocks: similarityBlocks(evaluation) }]),
    ...(evaluation.test === null
      ? []
      : [{ title: 'STS test sets', blocks: stsBlocks(evaluation.test, 'before') }]),
    { title: 'Throughput', blocks: [throughput(timings)] },
    { title: 'Data and settings', blocks: settingBlocks(prepared) },
  ];
  return htmlPage({
    title: `Training of ${checkpoint.id}`,
    subtitle: `recipe ${recipe.name}${recipe.variant === null ? '' : `, ${recipe.variant}`}, seed ${seed}`,
    sections,
    data: withoutUndefined({ recipe, seed, outcome, evaluation }),
  });
}

async function readLines<Line>(path: string): Promise<readonly Line[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

function figures(
  { outcome, prepared }: ReportInputs,
  steps: readonly StepLine[],
  timings: readonly TimingLine[],
): ReportBlock {
  const { score, step } = outcome.selected;
  const peak = timings.reduce((most, { memoryBytes }) => Math.max(most, memoryBytes), 0);
  return {
    kind: 'figures',
    figures: [
      { label: 'steps', value: outcome.steps },
      { label: 'examples', value: prepared.data.counts.used },
      { label: 'last loss', value: steps.at(-1)?.loss.toFixed(4) ?? 'none' },
      { label: 'texts cut', value: steps.reduce((sum, { truncated }) => sum + truncated, 0) },
      { label: 'selected step', value: step },
      ...(score === null
        ? []
        : [{ label: 'dev score', value: (100 * score).toFixed(2), note: 'Spearman x 100' }]),
      { label: 'peak memory', value: `${Math.round(peak / 2 ** 20)} MB`, note: 'resident' },
    ],
  };
}

function notices({ outcome, evaluation }: ReportInputs): readonly ReportBlock[] {
  const texts = [
    ...(outcome.stoppedEarly ? [`Stopped early after step ${outcome.steps}.`] : []),
    ...evaluation.dev
      .filter(({ before, after }) => after.spearman < before.spearman)
      .map(({ name }) => `On ${name} the model before training scores higher.`),
  ];
  return texts.map((text) => ({ kind: 'notice', text, tone: 'warning' }));
}

function trainingBlocks(
  steps: readonly StepLine[],
  looks: readonly EvaluationLine[],
): readonly ReportBlock[] {
  const curve = (title: string, y: string, value: (line: StepLine) => number): ReportBlock => {
    const points = steps.map((line) => [line.step, value(line)] as const);
    return {
      kind: 'chart',
      title,
      chart: lineChart({ x: 'step', y, series: [{ name: y, points }] }),
    };
  };
  return [
    curve('Loss', 'loss', ({ loss }) => loss),
    ...(looks.length === 0 ? [] : [devChart(looks)]),
    ...(looks.length === 0 ? [] : spaceChart(looks)),
    curve('Gradient norm before clipping', 'gradient norm', ({ gradientNorm }) => gradientNorm),
    curve('Learning rate', 'learning rate', ({ learningRate }) => learningRate),
  ];
}

function devChart(looks: readonly EvaluationLine[]): ReportBlock {
  const names = Object.keys(looks[0]?.scores ?? {});
  const series = names.map((name) => ({
    name,
    points: looks.map(({ step, scores }) => [step, 100 * (scores[name] ?? NaN)] as const),
  }));
  return {
    kind: 'chart',
    title: 'Dev sets',
    chart: lineChart({ x: 'step', y: 'Spearman x 100', series }),
  };
}

/** Alignment and uniformity (Wang & Isola 2020): lower is better in both. */
function spaceChart(looks: readonly EvaluationLine[]): readonly ReportBlock[] {
  const series = (['alignment', 'uniformity'] as const).map((name) => ({
    name,
    points: looks.map((look) => [look.step, look[name] ?? NaN] as const),
  }));
  return [
    {
      kind: 'chart',
      title: 'Alignment and uniformity',
      chart: lineChart({ x: 'step', y: 'lower is better', series }),
    },
  ];
}

function similarityBlocks({ dev }: RunEvaluation): readonly ReportBlock[] {
  return dev.map(({ name, before, after }) => ({
    kind: 'chart',
    title: name,
    chart: histogramChart({
      x: 'cosine',
      bins: histogramBins,
      range: [-1, 1],
      series: [
        { name: 'before', values: binCentres(before.histogram) },
        { name: 'after', values: binCentres(after.histogram) },
      ],
    }),
  }));
}

/** One value a pair, in the middle of its bin. */
function binCentres(counts: readonly number[]): readonly number[] {
  return counts.flatMap((count, bin) =>
    Array.from({ length: count }, () => ((bin + 0.5) / counts.length) * 2 - 1),
  );
}

function throughput(timings: readonly TimingLine[]): ReportBlock {
  const points = timings.map(({ step, textsPerSecond }) => [step, textsPerSecond] as const);
  return {
    kind: 'chart',
    title: 'Texts a second',
    chart: lineChart({
      x: 'step',
      y: 'texts/s',
      series: [{ name: 'texts/s', points }],
      fromZero: true,
    }),
  };
}

function settingBlocks({ recipe, data }: Prepared): readonly ReportBlock[] {
  return [
    {
      kind: 'table',
      caption: 'Training data',
      columns: [{ title: 'file' }, { title: 'records', numeric: true }, { title: 'sha256' }],
      rows: data.files.map(({ name, rows, sha256 }) => [name, rows, sha256]),
    },
    {
      kind: 'table',
      caption: `Settings of ${recipe.name}`,
      columns: [{ title: 'setting' }, { title: 'value' }, { title: 'from' }],
      rows: Object.entries(recipe.settings).map(([name, value]) => [
        name,
        JSON.stringify(value),
        recipe.overridden.includes(name) ? 'given' : 'recipe',
      ]),
    },
  ];
}
