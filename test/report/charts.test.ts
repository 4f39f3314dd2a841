import assert from 'node:assert/strict';
import test from 'node:test';

import { chartSvg } from '#dist/report/chart.js';
import { barChart, histogram, histogramChart, lineChart, thinned } from '#dist/report/charts.js';

test('a histogram counts each finite value once, the ends in the outermost bins', () => {
  const counts = histogram([-5, 0, 0.25, 0.5, 0.99, 1, 7, NaN, Infinity], {
    bins: 4,
    range: [0, 1],
  });
  assert.deepEqual([...counts], [2, 1, 1, 3]);
});

test('whole numbers fall into bins of equally many of them', () => {
  const lengths = Array.from({ length: 68 }, (_, i) => 28 + i);
  const { data } = histogramChart({ x: 'characters', series: [{ name: 'a', values: lengths }] });
  const { values } = data as { values: { x: number; share: number }[] };
  assert.deepEqual([values[0]?.x, values[1]?.x, values.at(-1)?.x], [28, 30, 96]);
  assert.equal(new Set(values.map(({ share }) => share)).size, 1, 'an even spread is flat');
});

test('long curves are drawn as means of equal runs, short ones as they are', () => {
  const points = Array.from({ length: 1000 }, (_, i) => [i, i % 2] as const);
  const drawn = thinned(points);
  assert.ok(drawn.length <= 400);
  assert.deepEqual(drawn[0], [1, 1 / 3]);
  assert.equal(thinned(points.slice(0, 400)).length, 400);
});

test('a drawn chart shows its titles and names and takes the colour of the page', async () => {
  const svg = await chartSvg(
    lineChart({
      x: 'step',
      y: 'loss',
      series: ['train', 'dev'].map((name, i) => ({
        name,
        points: [
          [0, i],
          [9, 2],
        ] as const,
      })),
    }),
  );
  for (const word of ['>step<', '>loss<', '>train<', '>dev<']) assert.ok(svg.includes(word), word);
  assert.match(svg, /^<svg [^]*<\/svg>$/);
  assert.match(svg, /fill="currentColor"/);
});

test('a mark stands at its x, steps are whole, small numbers are short', async () => {
  const points = [0, 1, 2].map((x) => [x, 1e-5 * (x + 1)] as const);
  const curve = { x: 'step', y: 'rate', series: [{ name: 'rate', points }], yFormat: '~e' };
  const plain = await chartSvg(lineChart(curve));
  const marked = await chartSvg(lineChart({ ...curve, marked: 1 }));
  assert.ok(!plain.includes('stroke-dasharray="4,3"') && marked.includes('stroke-dasharray="4,3"'));
  const labels = [...marked.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);
  assert.deepEqual(labels.slice(0, 3), ['0', '1', '2']);
  assert.ok(labels.includes('2e-5'), labels.join(' '));
});

test('bars of equal names stay apart', async () => {
  const bars = ['a', 'a', 'b'].map((name, value) => ({ name, value }));
  const svg = await chartSvg(barChart({ x: 'rows', bars, style: 'points' }));
  for (const word of ['>a<', '>a (2)<', '>b<']) assert.ok(svg.includes(word), word);
});

test('a chart opens no file and no address', async () => {
  await assert.rejects(
    chartSvg({ data: { url: 'file:///etc/hostname' }, mark: 'bar', encoding: {} }),
    /with its data inside, received one that opens file/,
  );
});

test('distributions share one axis whatever their lengths', () => {
  const chart = histogramChart({
    x: 'cosine',
    bins: 2,
    series: [
      { name: 'a', values: [0, 1] },
      { name: 'b', values: [1, 1, 1, 1] },
    ],
  });
  const { values } = chart.data as { values: { name: string; share: number }[] };
  const shares = (name: string): number[] =>
    values.filter((row) => row.name === name).map((row) => row.share);
  assert.deepEqual(shares('a'), [0.5, 0.5, 0.5]);
  assert.deepEqual(shares('b'), [0, 1, 1]);
});
