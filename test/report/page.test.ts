import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { parse } from 'parse5';
import type { DefaultTreeAdapterMap } from 'parse5';

import { barChart, histogramChart, lineChart } from '#dist/report/charts.js';
import { visibleText } from '#dist/report/markup.js';
import { groupedNumber, htmlPage } from '#dist/report/page.js';
import type { ReportPage } from '#dist/report/page.js';

const hostile = [
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '<svg/onload=alert(1)>',
  ']]><!--',
  '</style><style>*{display:none}',
  'javascript:alert(1)',
  '&lt;script&gt;&#60;b&#62;',
  '=HYPERLINK("http://x.test","y")',
  '\u001b]0;title\u0007\u001b[2J\u202egnp.exe\ud800',
  '${alert(1)}`{{7*7}}',
];

/** A page that shows the text wherever a page can show one. */
function pageOf(text: string): ReportPage {
  const bars = [
    { name: text, value: 1, interval: [0, 2] as const },
    { name: 'b', value: 2 },
  ];
  return {
    title: text,
    subtitle: text,
    badge: text,
    data: { [`key ${text}`]: [text] },
    sections: [
      {
        title: text,
        blocks: [
          { kind: 'text', text },
          { kind: 'notice', text, tone: 'warning' },
          { kind: 'figures', figures: [{ label: text, value: text, note: text }] },
          {
            kind: 'table',
            caption: text,
            columns: [{ title: text }, { title: 'n', numeric: true }],
            rows: [
              [text, 1],
              [text, null],
            ],
            openRows: 1,
          },
          { kind: 'samples', samples: [{ title: text, fields: [{ label: text, text }] }] },
        ],
      },
      {
        title: 'charts',
        blocks: [
          { kind: 'chart', title: text, note: text, chart: barChart({ x: text, bars }) },
          {
            kind: 'chart',
            title: text,
            chart: lineChart({
              x: text,
              y: text,
              series: ['b', text].map((name) => ({
                name,
                points: [
                  [0, 1],
                  [1, 2],
                ] as const,
              })),
            }),
          },
        ],
      },
      { title: 'third', blocks: [] },
    ],
  };
}

function withoutCharts(text: string): ReportPage {
  const page = pageOf(text);
  return { ...page, sections: page.sections.slice(0, 1) };
}

type TreeNode = DefaultTreeAdapterMap['node'];

/** Every element with its attribute names; those that could act are listed with their values. */
function structure(source: string): string[] {
  const found: string[] = [];
  const visit = (node: TreeNode): void => {
    if (node.nodeName === '#comment') found.push('comment');
    if ('attrs' in node) {
      const attributes = node.attrs.map(({ name, value }) =>
        ['href', 'src', 'style', 'http-equiv', 'content', 'type'].includes(name)
          ? `${name}=${value}`
          : name,
      );
      found.push(`${node.nodeName} ${attributes.join(' ')}`);
    }
    if ('childNodes' in node) node.childNodes.forEach(visit);
  };
  visit(parse(source));
  return found;
}

test('no tag, attribute or comment of a page comes from a text that it shows', async () => {
  const plain = structure(await htmlPage(pageOf('plain')));
  assert.ok(plain.length > 100);
  const parts = fc.constantFrom(...hostile, 'a', ' ', '<', '>', '"', "'", '&', '\n', '\u0000');
  const texts = fc.oneof(
    fc.array(parts, { minLength: 1, maxLength: 4 }).map((list) => list.join('')),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
  );
  // A chart spreads its axes by the width of a label, so only element kinds can be compared there.
  const kinds = (rows: readonly string[]): string[] => [...new Set(rows)].sort();
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      assert.deepEqual(kinds(structure(await htmlPage(pageOf(text)))), kinds(plain));
    }),
    { seed: 5, numRuns: 8, examples: hostile.map((text) => [text] as [string]) },
  );
  const drawn = structure(await htmlPage(withoutCharts('plain')));
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      assert.deepEqual(structure(await htmlPage(withoutCharts(text))), drawn);
    }),
    { seed: 6, numRuns: 1000 },
  );
});

test('a page holds no byte that a terminal acts on', async () => {
  for (
    let code = 0;
    code < 0x10000;
    code += code < 0x300 || (code >= 0x2000 && code < 0x2100) ? 1 : 97
  ) {
    const text = visibleText(`a${String.fromCharCode(code)}b`);
    // oxlint-disable-next-line no-control-regex -- control bytes are what must be absent
    assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e]/);
    assert.ok(!/\p{Surrogate}/u.test(text));
  }
  for (const text of hostile) {
    assert.doesNotMatch(
      await htmlPage(pageOf(text)),
      // oxlint-disable-next-line no-control-regex -- control bytes are what must be absent
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|[\u202a-\u202e]/,
    );
  }
});

test('a page forbids scripts and requests, and refers to nothing outside it', async () => {
  const source = await htmlPage(pageOf('https://example.test/x.png'));
  const policy = /Content-Security-Policy" content="([^"]+)"/
    .exec(source)![1]!
    .replaceAll('&#39;', "'");
  const style = /<style>([\s\S]*?)<\/style>/.exec(source)![1]!;
  const hash = createHash('sha256').update(style).digest('base64');
  assert.equal(
    policy,
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
  );
  const scripts = source.match(/<script[^>]*>/g);
  assert.deepEqual(scripts, ['<script type="application/json" id="report-data">']);
  assert.doesNotMatch(source, /\s(?:style|on\w+)="|@import|url\(/);
  assert.deepEqual(
    structure(source).filter((row) => /\b(?:src|href)=(?!#section-\d+$)/.test(row)),
    [],
  );
});

test('a link leads to a file below the page, and nowhere else', async () => {
  const linked = (text: string, path: string) =>
    htmlPage({
      title: 'links',
      sections: [{ title: 'runs', blocks: [{ kind: 'links', links: [{ text, path }] }] }],
    });
  const source = await linked('<b>seed 1</b>', 'seed-1/report.html');
  assert.ok(source.includes('<a href="seed-1/report.html">&lt;b&gt;seed 1&lt;/b&gt;</a>'));
  for (const path of [...hostile, '', '../a', '/a', '//a.test/b', 'a/../b', 'https://a.test']) {
    await assert.rejects(linked('a', path), /^RangeError: expected a path below the page's folder/);
  }
});

test('the embedded data are read back as they were', async () => {
  const data = {
    list: hostile.filter((text) => !/\p{Surrogate}/u.test(text)),
    'a<b': 1.5,
    none: null,
  };
  const source = await htmlPage({ title: 't', sections: [], data });
  const [, json] = /id="report-data">([\s\S]*?)<\/script>/.exec(source)!;
  assert.deepEqual(JSON.parse(json!), data);
});

test('equal pages give equal bytes, and numbers that are not finite leave a gap', async () => {
  const page: ReportPage = {
    title: 't',
    sections: [
      {
        title: 's',
        blocks: [
          {
            kind: 'chart',
            title: 'c',
            chart: lineChart({
              x: 'step',
              y: 'loss',
              series: [
                {
                  name: 'a',
                  points: [
                    [0, NaN],
                    [1, 2],
                    [2, 3],
                  ],
                },
              ],
            }),
          },
          {
            kind: 'chart',
            title: 'h',
            chart: histogramChart({
              x: 'cosine',
              series: [
                { name: 'a', values: [NaN, 0.5, Infinity] },
                { name: 'b', values: [] },
              ],
            }),
          },
          { kind: 'chart', title: 'b', chart: barChart({ x: 'rows', bars: [] }) },
        ],
      },
    ],
  };
  const source = await htmlPage(page);
  assert.equal(await htmlPage(page), source);
  assert.equal(source.match(/<svg /g)!.length, 3);
  assert.doesNotMatch(source, /NaN|Infinity|undefined/);
});

test('numbers are grouped by thousands and keep their decimals', () => {
  assert.deepEqual([0, 999, 1000, 1234567.25, -1234, 1e21, NaN].map(groupedNumber), [
    '0',
    '999',
    '1,000',
    '1,234,567.25',
    '-1,234',
    '1e+21',
    'NaN',
  ]);
});
