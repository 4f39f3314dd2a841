// What `simgpt data` tells a person.
import type { RewriteSummary } from '../dataset/rewrite.js';
import type { ExampleStats, LengthSummary, NamedCount } from '../dataset/stats.js';
import type { OverlapReport } from '../evaluate/overlap.js';
import type { BadRow } from '../files/quarantine.js';
import { count, table } from './table.js';
import { forTerminalLine } from './terminal.js';

const shownNames = 12;

export function describeStats(stats: ExampleStats, bad: readonly BadRow[]): string {
  const negatives = stats.hardNegatives.map(([n, rows]) => `${count(rows)} with ${n}`).join(', ');
  const kinds = ['anchor', 'positive', 'hardNegatives'] as const;
  const lengths = kinds.flatMap((kind) => {
    const summary = stats.lengths[kind];
    return summary === null ? [] : [[kind, ...lengthCells(summary)]];
  });
  const lines = [
    `${count(stats.rows)} rows; hard negatives: ${negatives || 'none'}`,
    ...(stats.unsupervised > 0
      ? [`${count(stats.unsupervised)} rows whose anchor is their positive (unsupervised)`]
      : []),
    '',
    ...table([['characters', 'texts', 'min', 'median', '95 %', 'max', 'mean'], ...lengths], 1),
    '',
    ...named('source', stats.sources),
    ...named('task', stats.tasks),
    ...(stats.groups > 0 ? [`${count(stats.groups)} groups`] : []),
    `${count(stats.distinctTexts)} distinct texts (case and white space apart)`,
    `${count(stats.duplicateRows)} rows repeat an earlier row, ` +
      `${count(stats.repeatedAnchors)} an earlier anchor`,
    ...(stats.nearAnchors === null
      ? []
      : [`${count(stats.nearAnchors)} anchors are near an earlier one (5-grams, 0.8)`]),
    ...(stats.repeatedIds > 0
      ? [`${count(stats.repeatedIds)} ids are not the first of theirs`]
      : []),
    ...(stats.replaced > 0
      ? [`${count(stats.replaced)} rows held half a surrogate pair, replaced by U+FFFD`]
      : []),
    ...badLines(bad),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function lengthCells({ texts, min, median, p95, max, mean }: LengthSummary): string[] {
  return [texts, min, median, p95, max, Math.round(mean)].map(count);
}

function named(kind: string, counts: readonly NamedCount[]): string[] {
  const shown = counts
    .slice(0, shownNames)
    .map(({ name, rows }) => `${forTerminalLine(name, 60)} ${count(rows)}`);
  const rest = counts.length > shownNames ? `, and ${count(counts.length - shownNames)} more` : '';
  return shown.length === 0 ? [] : [`by ${kind}: ${shown.join(', ')}${rest}`];
}

function badLines(bad: readonly BadRow[]): string[] {
  const [first] = bad;
  if (first === undefined) {
    return [];
  }
  const field = first.field === null ? '' : `, field ${forTerminalLine(first.field, 60)}`;
  const where = `${forTerminalLine(first.file, 200)}, line ${first.line}${field}`;
  return [`${count(bad.length)} bad rows, the first: ${where}: ${forTerminalLine(first.reason)}`];
}

export function describeOverlap(
  report: OverlapReport & { readonly missing: readonly string[]; readonly badRows: number },
  path: string,
): string {
  const head = ['set', 'texts', 'exact', 'near', 'rows'];
  const rows = report.sets.map(({ name, texts, exact, near, examples }) => [
    name,
    ...[texts, exact, near, examples].map(count),
  ]);
  const lines = [
    ...table([head, ...rows], 1),
    '',
    `${count(report.overlapping)} of ${count(report.examples)} rows share a text with a set: ` +
      `equal but for case and white space, or ${report.threshold} of the character ` +
      `${report.ngram}-grams`,
    ...report.matches
      .slice(0, 3)
      .map(
        ({ id, kind, text, evaluationText, sets }) =>
          `  row ${forTerminalLine(id, 40)}, ${kind}, ${sets.join(' ')}: ` +
          `${forTerminalLine(text, 60)} | ${forTerminalLine(evaluationText, 60)}`,
      ),
    ...(report.missing.length > 0 ? [`not compared, not there: ${report.missing.join(', ')}`] : []),
    ...(report.capped > 0
      ? [`${count(report.capped)} texts had too many like them to be compared with all`]
      : []),
    ...(report.badRows > 0 ? [`${count(report.badRows)} bad rows`] : []),
    `report in ${forTerminalLine(path, 1000)}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A line of counts, and what else is to be said. */
export function describeRewrite(
  summary: RewriteSummary,
  more: Readonly<Record<string, unknown>>,
): string {
  const { output, read, written, dropped, failed, quarantine, formulas } = summary;
  const duplicates = more['duplicates'] as
    | { exact: number; near: number; meaning: number }
    | undefined;
  const detail =
    duplicates === undefined
      ? ''
      : ` (${count(duplicates.exact)} equal, ${count(duplicates.near)} near` +
        `${duplicates.meaning > 0 ? `, ${count(duplicates.meaning)} of one meaning` : ''})`;
  const lines = [
    `${count(written)} of ${count(read)} rows in ${forTerminalLine(output, 1000)}` +
      (dropped > 0 ? `; ${count(dropped)} left out${detail}` : ''),
  ];
  if (failed > 0) {
    const where = quarantine === null ? '' : ` in ${forTerminalLine(quarantine, 1000)}`;
    lines.push(`${count(failed)} bad rows${where}`);
  }
  if (formulas > 0) {
    lines.push(
      more['neutralised'] === undefined
        ? `${count(formulas)} texts would run as formulas in a spreadsheet: written as they are, ` +
            'for a trainer (--spreadsheet makes them harmless)'
        : `${count(formulas)} texts that look like formulas got a leading '`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}
