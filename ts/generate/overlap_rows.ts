// What of evaluation sets is in the rows of a run: looked for in the run itself, by the sets' texts.
import { join } from 'node:path';

import { createOverlapScanner } from '../evaluate/overlap.js';
import type { EvaluationTexts, OverlapScanner } from '../evaluate/overlap.js';
import { canonicalHash } from '../files/canonical_json.js';
import { createHashedFile, fingerprint } from '../files/hashed_file.js';
import { dataName } from './artefact.js';
import type { RowFilter } from './artefact.js';
import { readRunRows } from './other_forms.js';
import type { WrittenFile } from './run_records.js';

export const overlapName = 'overlap.json';

/** The scan of a run, as a part of what its artefact is made by. */
export interface OverlapScan {
  /** Of the sets' names and texts: belongs in the plan. */
  readonly hash: string;
  /** Drops the rows that share a text with a set; none where they are only counted. */
  readonly filters: () => readonly RowFilter[];
  /** Writes `overlap.json` about the rows that are written. */
  readonly write: (folder: string) => Promise<WrittenFile>;
}

/**
 * Looks the rows of a run up in evaluation sets (METHODS 11.5). With `excludes` those that share a text
 * go to the quarantine file with the reason `overlap`; else they are counted and stay.
 */
export function createOverlapScan(
  {
    sets,
    missing,
  }: { readonly sets: readonly EvaluationTexts[]; readonly missing: readonly string[] },
  excludes: boolean,
): OverlapScan {
  let scanner: OverlapScanner | undefined;
  const filter = (): RowFilter => {
    // Anew for each pass over the rows: the last one is the one that wrote them.
    const ours = createOverlapScanner(sets);
    scanner = ours;
    return { name: 'overlap', check: (row) => overlapDrop(ours, row) };
  };
  return {
    hash: canonicalHash(sets.map(({ name, texts }) => ({ name, texts }))),
    filters: () => (excludes ? [filter()] : []),
    write: async (folder) => {
      const data = await fingerprint(join(folder, dataName));
      const report = (excludes ? scanner : undefined) ?? (await scanRows(folder, sets));
      const found = { name: dataName, ...data };
      const file = await createHashedFile(join(folder, overlapName));
      await file.writeLine(
        JSON.stringify({ files: [found], excluded: excludes, ...report.report(), missing }),
      );
      return file.commit();
    },
  };
}

function overlapDrop(scanner: OverlapScanner, row: Parameters<OverlapScanner['check']>[0]) {
  const [match] = scanner.check(row);
  if (match === undefined) return undefined;
  const { field, kind, similarity, sets } = match;
  const how = kind === 'exact' ? 'equal to one' : `of similarity ${similarity.toFixed(3)} to one`;
  const detail = `expected no text of an evaluation set, received ${field} ${how} of ${sets.join(', ')}`;
  return { reason: 'overlap' as const, detail };
}

async function scanRows(folder: string, sets: readonly EvaluationTexts[]): Promise<OverlapScanner> {
  const scanner = createOverlapScanner(sets);
  for await (const row of readRunRows(folder)) scanner.check(row);
  return scanner;
}
