import { createHash } from 'node:crypto';

import { canonicalJson } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import { chartSvg } from './chart.js';
import type { ChartSpec } from './chart.js';
import { markup, jsonForHtml, textOf, trustedHtml } from './markup.js';
import type { Html } from './markup.js';
import { styleSheet } from './style.js';

export interface ReportPage {
  readonly title: string;
  readonly subtitle?: string;
  /** A word that marks the whole page, such as `rehearsal`. */
  readonly badge?: string;
  readonly sections: readonly ReportSection[];
  /** What the page shows, for programs: embedded as JSON in an element that is never run. */
  readonly data?: JsonValue;
}

export interface ReportSection {
  readonly title: string;
  readonly blocks: readonly ReportBlock[];
}

export type ReportBlock =
  | { readonly kind: 'text'; readonly text: string }
  /** A boxed sentence; `warning` for what a reader must not miss. */
  | { readonly kind: 'notice'; readonly text: string; readonly tone?: 'note' | 'warning' }
  /** Key figures, large. */
  | { readonly kind: 'figures'; readonly figures: readonly ReportFigure[] }
  | ReportTable
  | {
      readonly kind: 'chart';
      readonly title: string;
      readonly chart: ChartSpec;
      readonly note?: string;
    }
  /** Texts as they were written, each with its label. */
  | { readonly kind: 'samples'; readonly samples: readonly ReportSample[] }
  /** Other files of the run, by their path below the page's folder. */
  | { readonly kind: 'links'; readonly links: readonly ReportLink[] };

export interface ReportLink {
  readonly text: string;
  /** Names of letters, digits, `.`, `_` and `-`, joined by `/`. */
  readonly path: string;
}

export interface ReportFigure {
  readonly label: string;
  readonly value: string | number;
  readonly note?: string;
}

export interface ReportTable {
  readonly kind: 'table';
  readonly caption?: string;
  /** Columns of numbers end on the right. */
  readonly columns: readonly { readonly title: string; readonly numeric?: boolean }[];
  readonly rows: readonly (readonly (string | number | null)[])[];
  /** Rows beyond these fold away; default 50. */
  readonly openRows?: number;
}

export interface ReportSample {
  readonly title?: string;
  readonly fields: readonly {
    readonly label: string;
    readonly text: string;
    readonly tone?: 'good' | 'bad';
  }[];
}

/**
 * One self-contained HTML file: no script, no request, a policy that allows neither. Every text is
 * escaped, control characters are shown. Equal pages give equal bytes. Throws RangeError for a link
 * that leads out of the page's folder.
 */
export async function htmlPage(page: ReportPage): Promise<string> {
  const sections: Html[] = [];
  for (const [index, section] of page.sections.entries()) {
    sections.push(await renderSection(section, index));
  }
  const styleHash = createHash('sha256').update(styleSheet).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'`;
  const badge =
    page.badge === undefined ? undefined : markup` <span class="badge">${page.badge}</span>`;
  const document = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${page.title}</title>
<style>${trustedHtml(styleSheet)}</style>
</head>
<body>
<header>
<h1>${page.title}${badge}</h1>
${page.subtitle === undefined ? undefined : markup`<p class="subtitle">${page.subtitle}</p>`}
${page.sections.length < 3 ? undefined : contents(page.sections)}
</header>
<main>
${sections}
</main>
${page.data === undefined ? undefined : dataElement(page.data)}
</body>
</html>
`;
  return textOf(document);
}

function contents(sections: readonly ReportSection[]): Html {
  const links = sections.map(
    ({ title }, index) => markup`<a href="#section-${index + 1}">${title}</a>`,
  );
  return markup`<nav>${links}</nav>`;
}

function dataElement(data: JsonValue): Html {
  const json = trustedHtml(jsonForHtml(canonicalJson(data)));
  return markup`<script type="application/json" id="report-data">${json}</script>`;
}

async function renderSection({ title, blocks }: ReportSection, index: number): Promise<Html> {
  const parts: Html[] = [];
  for (const block of blocks) parts.push(await renderBlock(block));
  return markup`<section id="section-${index + 1}">
<h2>${title}</h2>
${parts}</section>
`;
}

async function renderBlock(block: ReportBlock): Promise<Html> {
  switch (block.kind) {
    case 'text':
      return markup`<p>${block.text}</p>\n`;
    case 'notice':
      return markup`<p class="notice ${block.tone ?? 'note'}">${block.text}</p>\n`;
    case 'figures':
      return markup`<dl class="figures">${block.figures.map(renderFigure)}</dl>\n`;
    case 'table':
      return renderTable(block);
    case 'links':
      return markup`<ul>${block.links.map(renderLink)}</ul>\n`;
    case 'chart': {
      const svg = trustedHtml(await chartSvg(block.chart));
      const note = block.note === undefined ? undefined : markup` <span>${block.note}</span>`;
      return markup`<figure role="img" aria-label="${block.title}">
<figcaption>${block.title}${note}</figcaption>
<div class="chart">${svg}</div>
</figure>
`;
    }
    default:
      return markup`${block.samples.map(renderSample)}`;
  }
}

function renderLink({ text, path }: ReportLink): Html {
  // Never a scheme, a host or a way out of the folder: what is shown is not what decides.
  if (!/^\w[\w.-]*(?:\/\w[\w.-]*)*$/.test(path)) {
    throw new RangeError(`expected a path below the page's folder, received ${path}`);
  }
  return markup`<li><a href="${path}">${text}</a></li>\n`;
}

function renderFigure({ label, value, note }: ReportFigure): Html {
  const shown = typeof value === 'number' ? groupedNumber(value) : value;
  const noted = note === undefined ? undefined : markup`<dd class="note">${note}</dd>`;
  return markup`<div><dt>${label}</dt><dd>${shown}</dd>${noted}</div>`;
}

function renderTable({ caption, columns, rows, openRows = 50 }: ReportTable): Html {
  const open = tableOf(columns, rows.slice(0, openRows), caption);
  if (rows.length <= openRows) return open;
  const more = tableOf(columns, rows.slice(openRows));
  const count = groupedNumber(rows.length - openRows);
  return markup`${open}<details><summary>${count} more rows</summary>
${more}</details>
`;
}

function tableOf(
  columns: ReportTable['columns'],
  rows: ReportTable['rows'],
  caption?: string,
): Html {
  const cell = (value: string | number | null, column: number): Html => {
    const shown = typeof value === 'number' ? groupedNumber(value) : (value ?? '');
    return columns[column]?.numeric
      ? markup`<td class="number">${shown}</td>`
      : markup`<td>${shown}</td>`;
  };
  const head = columns.map(({ title, numeric }) =>
    numeric
      ? markup`<th scope="col" class="number">${title}</th>`
      : markup`<th scope="col">${title}</th>`,
  );
  const body = rows.map((row) => markup`<tr>${row.map(cell)}</tr>\n`);
  const named = caption === undefined ? undefined : markup`<caption>${caption}</caption>\n`;
  return markup`<div class="scroll"><table>
${named}<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
</table></div>
`;
}

function renderSample({ title, fields }: ReportSample): Html {
  const rows = fields.map(
    ({ label, text, tone }) =>
      markup`<dt>${label}</dt><dd class="${tone ?? 'plain'}" dir="auto">${text}</dd>\n`,
  );
  const heading = title === undefined ? undefined : markup`<h3>${title}</h3>\n`;
  return markup`<article class="sample">
${heading}<dl>${rows}</dl>
</article>
`;
}

/** 12345.5 as `12,345.5`: whole numbers by thousands, others with what they hold. */
export function groupedNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const [whole, rest] = String(value).split('.');
  if (whole!.includes('e')) return String(value);
  const grouped = whole!.replace(/\B(?=(?:\d{3})+$)/g, ',');
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}
