import { SimgptError } from '../errors.js';
import { philox4x32 } from '../random/philox.js';
import { quarantineName } from './artefact.js';
import type { Example } from './example.js';
import { readRunRows } from './other_forms.js';
import { readQuarantineLine, readRunLines } from './run_lines.js';

/** A row of the quarantine file, as far as a report shows it. */
export interface DroppedRow {
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
  readonly answer: string | undefined;
}

/** The rows of a run, gone through once. */
export interface RunSummary {
  readonly rows: number;
  /** Characters of each text, by role. */
  readonly lengths: Readonly<Record<'anchor' | 'positive' | 'hardNegative', readonly number[]>>;
  readonly hardNegatives: number;
  readonly sources: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
  /** Calls that wrote a part of a row, by template id and hash. */
  readonly templates: ReadonlyMap<string, TemplateUse>;
  /** Drawn by place, in their order. */
  readonly samples: readonly Example[];
  readonly dropped: readonly DroppedRow[];
}

export interface TemplateUse {
  readonly id: string;
  readonly version: number;
  readonly hash: string;
  readonly decoding: Readonly<Record<string, number>>;
  calls: number;
}

/** Rows that a report shows, and rows whose similarities it measures. */
const shownRows = 12;
const shownDrops = 8;
export const measuredRows = 2000;

/** Goes through the rows and the quarantine file. `onRow` sees each row with its place. */
export async function summarizeRun(
  folder: string,
  rows: number,
  onRow: (row: Example, place: number) => void = () => {},
): Promise<RunSummary> {
  const lengths = {
    anchor: [] as number[],
    positive: [] as number[],
    hardNegative: [] as number[],
  };
  const [sources, groups] = [new Map<string, number>(), new Map<string, number>()];
  const templates = new Map<string, TemplateUse>();
  const samples: Example[] = [];
  const shown = drawnPlaces(rows, shownRows);
  let place = 0;
  let hardNegatives = 0;
  for await (const row of readRunRows(folder)) {
    lengths.anchor.push(row.anchor.length);
    lengths.positive.push(row.positive.length);
    for (const text of row.hardNegatives) lengths.hardNegative.push(text.length);
    hardNegatives += row.hardNegatives.length;
    count(sources, row.source);
    count(groups, row.group);
    for (const { template, decoding } of row.provenance) {
      const use = templates.get(template.hash) ?? { ...template, decoding, calls: 0 };
      use.calls += 1;
      templates.set(template.hash, use);
    }
    if (shown.has(place)) samples.push(row);
    onRow(row, place);
    place += 1;
  }
  const dropped = await readDrops(folder);
  return { rows: place, lengths, hardNegatives, sources, groups, templates, samples, dropped };
}

/** Different places out of `total`, a function of the two numbers. */
export function drawnPlaces(total: number, wanted: number): ReadonlySet<number> {
  if (total <= wanted) return new Set(Array.from({ length: total }, (_, place) => place));
  const places = new Set<number>();
  for (let draw = 0; places.size < wanted; draw += 1) {
    const counter = Uint32Array.of(draw, total, 0, 0);
    philox4x32(counter, 0, 0);
    places.add(counter[0]! % total);
  }
  return places;
}

function count(counts: Map<string, number>, name: string | undefined): void {
  if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** The first few of each reason. */
async function readDrops(folder: string): Promise<readonly DroppedRow[]> {
  const byReason = new Map<string, number>();
  const dropped: DroppedRow[] = [];
  for await (const line of readRunLines(folder, quarantineName, readQuarantineLine)) {
    if (line.problem !== undefined) throw new SimgptError('dataInvalid', line.problem);
    const { row } = line;
    const seen = byReason.get(row.reason) ?? 0;
    byReason.set(row.reason, seen + 1);
    if (seen >= 2 || dropped.length >= shownDrops) continue;
    const answer = row.answers?.flatMap(({ texts }) => texts).at(-1);
    const id = row.id ?? `line ${row.line ?? 0}`;
    dropped.push({ id, reason: row.reason, detail: row.detail ?? '', answer });
  }
  return dropped;
}
