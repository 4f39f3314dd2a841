import { stsBlocks } from '../evaluate/report_page.js';
import { withoutUndefined } from '../files/canonical_json.js';
import { histogramChart, lineChart, pointsAPoint } from '../report/charts.js';
import type { LineChart } from '../report/charts.js';
import { htmlPage } from '../report/page.js';
import type { ReportBlock } from '../report/page.js';
import type { EvaluationLine, LoopOutcome } from './loop.js';
import type { Prepared } from './prepare.js';
import { histogramBins } from './run_evaluation.js';
import type { RunEvaluation } from './run_evaluation.js';
import type { RunLog, TimingLine, ToldRun } from './run_log.js';

/** A run on one page: curves, dev and test scores, similarities before and after, throughput. */
export async function trainingReport(inputs: ToldRun): Promise<string> {
  const { prepared, seed, outcome, evaluation, log } = inputs;
  const { recipe, checkpoint } = prepared;
  const sections = [
    { title: 'Run', blocks: [figures(inputs), ...notices(inputs)] },
    { title: 'Training', blocks: trainingBlocks(log, outcome) },
    ...(evaluation.dev.length === 0
      ? []
      : [{ title: 'Similarities of the dev pairs', blocks: similarityBlocks(evaluation) }]),
    ...(evaluation.test === null
      ? []
      : [{ title: 'STS test sets', blocks: stsBlocks(evaluation.test, 'before') }]),
    { title: 'Throughput', blocks: [throughput(log.timings)] },
    { title: 'Data and settings', blocks: [...dataBlocks(inputs), settings(prepared)] },
  ];
  return htmlPage({
    title: `Training of ${checkpoint.id}`,
    subtitle: `recipe ${recipe.name}${recipe.variant === null ? '' : `, ${recipe.variant}`}, seed ${seed}`,
    sections,
    data: withoutUndefined({ recipe, seed, outcome, evaluation }),
  });
}

function figures({ outcome, log }: ToldRun): ReportBlock {
  const { score, step } = outcome.selected;
  const peak = log.timings.reduce((most, { memoryBytes }) => Math.max(most, memoryBytes), 0);
  return {
    kind: 'figures',
    figures: [
      { label: 'steps', value: outcome.steps },
      { label: 'examples seen', value: log.examples },
      { label: 'texts cut', value: log.truncated },
      { label: 'last loss', value: log.steps.at(-1)?.loss.toFixed(4) ?? 'none' },
      { label: 'selected step', value: step },
      ...(score === null
        ? []
        : [{ label: 'dev score', value: (100 * score).toFixed(2), note: 'Spearman x 100' }]),
      { label: 'peak memory', value: `${Math.round(peak / 2 ** 20)} MB`, note: 'resident' },
    ],
  };
}

function notices({ outcome, evaluation }: ToldRun): readonly ReportBlock[] {
  const texts = [
    ...(outcome.stoppedEarly ? [`Stopped early after step ${outcome.steps}.`] : []),
    ...evaluation.dev
      .filter(({ before, after }) => after.spearman < before.spearman)
      .map(({ name }) => `On ${name} the model before training scores higher.`),
  ];
  return texts.map((text) => ({ kind: 'notice', text, tone: 'warning' }));
}

function trainingBlocks({ steps, looks }: RunLog, outcome: LoopOutcome): readonly ReportBlock[] {
  const curve = <Line extends { readonly step: number }>(
    title: string,
    lines: readonly Line[],
    valueOf: (line: Line) => number,
    { note, ...axis }: Partial<LineChart> & { readonly note?: string | undefined } = {},
  ): ReportBlock => ({
    kind: 'chart',
    title,
    ...(note === undefined ? {} : { note }),
    chart: lineChart({
      x: 'step',
      y: title.toLowerCase(),
      series: [{ name: title, points: lines.map((line) => [line.step, valueOf(line)] as const) }],
      ...axis,
    }),
  });
  const spread = looks.some(({ alignment }) => alignment !== null);
  const run = pointsAPoint(steps.length);
  const note = run === 1 ? undefined : `each point is the mean of ${run} steps`;
  return [
    curve('Loss', steps, ({ loss }) => loss, { note }),
    ...(looks.length === 0 ? [] : [devChart(looks, outcome)]),
    ...(spread
      ? [
          curve('Alignment', looks, ({ alignment }) => alignment ?? NaN, {
            note: 'squared distance of dev pairs that mean the same (Wang & Isola 2020); lower is better',
          }),
          curve('Uniformity', looks, ({ uniformity }) => uniformity ?? NaN, {
            note: 'how unevenly dev texts lie on the sphere (Wang & Isola 2020); lower is better',
          }),
        ]
      : []),
    curve('Gradient norm', steps, ({ gradientNorm }) => gradientNorm, {
      y: 'gradient norm before clipping',
      note,
    }),
    curve('Learning rate', steps, ({ learningRate }) => learningRate, {
      yFormat: '~e',
      fromZero: true,
    }),
  ];
}

function devChart(looks: readonly EvaluationLine[], { selected }: LoopOutcome): ReportBlock {
  const names = Object.keys(looks[0]?.scores ?? {});
  const series = names.map((name) => ({
    name,
    points: looks.map(({ step, scores }) => [step, 100 * (scores[name] ?? NaN)] as const),
  }));
  return {
    kind: 'chart',
    title: `Dev: ${names.join(', ')}`,
    note: `step 0 is the model before training; step ${selected.step} is selected`,
    chart: lineChart({ x: 'step', y: 'Spearman x 100', series, marked: selected.step }),
  };
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

function dataBlocks({ prepared: { data }, overlap }: ToldRun): readonly ReportBlock[] {
  const { counts, files } = data;
  const shared =
    overlap === null
      ? 'They were not compared with any evaluation set.'
      : `${overlap.overlapping} of ${overlap.examples} share a text with an evaluation set, equal or nearly.`;
  return [
    {
      kind: 'text',
      text:
        `${counts.used} of ${counts.read} records are in the training set: ${counts.bad} could not be used, ` +
        `${counts.duplicates} repeat an earlier one, ${counts.dropped} were left out on request. ${shared}`,
    },
    {
      kind: 'table',
      caption: 'Training data',
      columns: [
        { title: 'file' },
        { title: 'records', numeric: true },
        { title: 'weight', numeric: true },
        { title: 'sha256' },
      ],
      rows: files.map(({ name, rows, weight, sha256 }) => [name, rows, weight, sha256]),
    },
  ];
}

function settings({ recipe }: Prepared): ReportBlock {
  return {
    kind: 'table',
    caption: `Settings of ${recipe.name}`,
    columns: [{ title: 'setting' }, { title: 'value' }, { title: 'from' }],
    rows: Object.entries(recipe.settings).map(([name, value]) => [
      name,
      JSON.stringify(value),
      recipe.overridden.includes(name) ? 'given' : 'recipe',
    ]),
  };
}
