import type { RuleSurvivors } from '../generate/curate_file.js';

/** One line per curation rule: how many of the triples it leaves, and their share. */
export function describeSurvivors(survivors: readonly RuleSurvivors[], triples: number): string[] {
  const cells = survivors.map(({ name, rule }) => `${name.padEnd(8)}  ${rule}`);
  const width = Math.max(...cells.map((cell) => cell.length));
  const share = (rows: number): string =>
    triples === 0 ? '-' : `${((100 * rows) / triples).toFixed(1)} %`;
  return [
    `${'rule'.padEnd(width)}  ${'rows'.padStart(8)}  ${'share'.padStart(7)}`,
    ...survivors.map(
      ({ rows }, at) =>
        `${cells[at]!.padEnd(width)}  ${String(rows).padStart(8)}  ${share(rows).padStart(7)}`,
    ),
  ];
}
