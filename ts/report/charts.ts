import { seriesColors } from './chart.js';
import type { ChartSpec } from './chart.js';

/** Values over a common x axis under one name. */
export interface LineSeries {
  readonly name: string;
  /** In the order of x; a y that is not finite leaves a gap. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChart {
  /** Axis titles with their unit, such as `step`. */
  readonly x: string;
  readonly y: string;
  readonly series: readonly LineSeries[];
  /** Whether the y axis starts at 0; default false. */
  readonly fromZero?: boolean;
  /** How the y axis writes numbers, in d3's notation, such as `~e` for 5e-5. */
  readonly yFormat?: string;
  /** An x that a vertical line marks. */
  readonly marked?: number;
}

const width = 640;
const height = 260;

/** Lines drawn at once; more points than that would not be seen, and would swell the page. */
const mostPoints = 400;

/** Curves over steps or time; longer ones are drawn as the means of equal runs of points. */
export function lineChart(chart: LineChart): ChartSpec {
  const { x, y, series, fromZero = false, yFormat, marked } = chart;
  const values = series.flatMap(({ name, points }) =>
    thinned(points).map(([px, py]) => ({ x: px, y: finiteOrNull(py), name })),
  );
  const fewPoints = series.every(({ points }) => points.length <= 40);
  const whole = values.every((value) => Number.isInteger(value.x));
  const lines = {
    mark: { type: 'line', strokeWidth: 1.8, point: fewPoints ? { size: 24 } : false },
    encoding: {
      x: xAxis(x, whole ? { tickMinStep: 1 } : {}),
      y: {
        field: 'y',
        type: 'quantitative',
        title: y,
        scale: { zero: fromZero },
        axis: { tickCount: 6, ...(yFormat === undefined ? {} : { format: yFormat }) },
      },
      color: colorOf(series.map(({ name }) => name)),
    },
  } as const;
  const size = { width, height, data: { values } };
  if (marked === undefined) return { ...size, ...lines };
  const rule = {
    data: { values: [{ x: marked }] },
    mark: { type: 'rule', strokeDash: [4, 3] as number[], color: 'currentColor', opacity: 0.5 },
    encoding: { x: xAxis(x, {}) },
  } as const;
  return { ...size, layer: [lines, rule] };
}

/** Numbers along the bottom from the least to the largest, without a grid. */
function xAxis(title: string, axis: { readonly tickMinStep?: number }) {
  return {
    field: 'x',
    type: 'quantitative',
    title,
    scale: { zero: false, nice: false },
    axis: { grid: false, tickCount: 10, ...axis },
  } as const;
}

/** Of how many points each point of a drawn curve is the mean. */
export function pointsAPoint(points: number): number {
  return Math.max(1, Math.ceil(points / mostPoints));
}

/** At most `mostPoints` points: the means of runs of equal length. */
export function thinned(points: LineSeries['points']): LineSeries['points'] {
  const run = pointsAPoint(points.length);
  if (run === 1) return points;
  const means: [number, number][] = [];
  for (let start = 0; start < points.length; start += run) {
    const part = points.slice(start, start + run);
    means.push([meanOf(part.map(([px]) => px)), meanOf(part.map(([, py]) => py))]);
  }
  return means;
}

export interface HistogramChart {
  readonly x: string;
  readonly series: readonly { readonly name: string; readonly values: ArrayLike<number> }[];
  /** Default 40. */
  readonly bins?: number;
  /** The ends of the axis; values beyond them count in the outermost bins. Default: the values'. */
  readonly range?: readonly [number, number];
}

/** Distributions over one another, each as its share per bin. */
export function histogramChart(chart: HistogramChart): ChartSpec {
  const { x, series } = chart;
  const { bins, range } = binsOf(chart);
  const values = series.flatMap(({ name, values: list }) => {
    const counts = histogram(list, { bins, range });
    const total = Math.max(
      counts.reduce((sum, count) => sum + count, 0),
      1,
    );
    // The last count stands twice: a step reaches from one edge of its bin to the next.
    return Array.from({ length: bins + 1 }, (_, edge) => ({
      x: sixDigits(range[0] + (edge / bins) * (range[1] - range[0])),
      share: sixDigits(counts[Math.min(edge, bins - 1)]! / total),
      name,
    }));
  });
  return {
    width,
    height,
    data: { values },
    mark: {
      type: 'area',
      interpolate: 'step-after',
      fillOpacity: 0.3,
      line: { interpolate: 'step-after', strokeWidth: 1.4 },
    },
    encoding: {
      x: xAxis(x, {}),
      y: {
        field: 'share',
        type: 'quantitative',
        title: 'share',
        stack: null,
        axis: { format: '.0%', tickCount: 5 },
      },
      color: colorOf(series.map(({ name }) => name)),
    },
  };
}

/** Counts per bin of equal width; values that are not finite are left out. */
export function histogram(
  values: ArrayLike<number>,
  {
    bins,
    range: [low, high],
  }: { readonly bins: number; readonly range: readonly [number, number] },
): Uint32Array {
  const counts = new Uint32Array(bins);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    const bin = Math.floor(((value - low) / (high - low)) * bins);
    counts[Math.min(Math.max(bin, 0), bins - 1)]! += 1;
  }
  return counts;
}

export interface BarChart {
  /** The axis of the values, such as `rows`. */
  readonly x: string;
  readonly bars: readonly {
    readonly name: string;
    readonly value: number;
    /** The ends of an interval, drawn over the bar. */
    readonly interval?: readonly [number, number];
  }[];
  /** `points` where 0 is no sensible start, as for scores: the axis then fits the values. */
  readonly style?: 'bars' | 'points';
}

/** One horizontal bar or point a name, in the given order, with its interval where it has one. */
export function barChart({ x, bars, style = 'bars' }: BarChart): ChartSpec {
  const names = distinctNames(bars.map(({ name }) => name));
  const values = bars.map(({ value, interval }, place) => ({
    place,
    name: names[place]!,
    value: finiteOrNull(value),
    low: interval === undefined ? null : interval[0],
    high: interval === undefined ? null : interval[1],
  }));
  const y = {
    field: 'name',
    type: 'nominal',
    sort: { field: 'place', op: 'min' },
    title: null,
    axis: { domain: false, ticks: false },
  } as const;
  const scale = { zero: style === 'bars' };
  const axis = { tickCount: 8 };
  const value = { field: 'value', type: 'quantitative', title: x, scale, axis } as const;
  const mark =
    style === 'bars'
      ? ({ type: 'bar', color: seriesColors[0], height: { band: 0.7 } } as const)
      : ({ type: 'point', color: seriesColors[0], filled: true, size: 60 } as const);
  return {
    width: 460,
    height: { step: 22 },
    data: { values },
    layer: [
      { mark, encoding: { y, x: value } },
      {
        transform: [{ filter: 'datum.low !== null' }],
        mark: { type: 'rule', strokeWidth: 1.6, color: 'currentColor', opacity: 0.75 },
        encoding: { y, x: { ...value, field: 'low' }, x2: { field: 'high' } },
      },
    ],
    ...(names.length === 0 ? { height: 20 } : {}),
  };
}

/** Equal names would share one bar. */
function distinctNames(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return before === 0 ? name : `${name} (${before + 1})`;
  });
}

function colorOf(names: readonly string[]) {
  const legend = names.length > 1 ? {} : { legend: null };
  return { field: 'name', type: 'nominal', sort: null, title: null, ...legend } as const;
}

/** Whole numbers get bins of whole numbers: with 1.7 of them a bin, every second one would stand out. */
function binsOf({ series, bins = 40, range }: HistogramChart) {
  if (range !== undefined) return { bins, range };
  const [low, high] = rangeOf(series);
  const whole = series.every(({ values }) => Array.from(values).every(Number.isInteger));
  if (!whole || !Number.isInteger(low)) return { bins, range: [low, high] as const };
  const perBin = Math.ceil((high - low + 1) / bins);
  const count = Math.ceil((high - low + 1) / perBin);
  return { bins: count, range: [low, low + count * perBin] as const };
}

function rangeOf(series: HistogramChart['series']): readonly [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const { values } of series) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (Number.isFinite(value)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  return low < high ? [low, high] : Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function sixDigits(value: number): number {
  return Number(value.toPrecision(6));
}
