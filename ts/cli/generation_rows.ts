// What the flags say of the rows of a run: which are left out, and what is made of them.
import { basename, join } from 'node:path';

import { withoutUndefined } from '../files/canonical_json.js';
import type { GenerateOptions } from '../generate/generate.js';
import type { OverlapScan } from '../generate/overlap_rows.js';
import type { Commit } from '../generate/run_records.js';
import type { GenerationFlags } from './generation_options.js';
import { count } from './table.js';
import { forTerminalLine } from './terminal.js';

/** The second form of the rows that the flags ask for. */
export function otherFilesOf(
  { format }: GenerationFlags,
  scan: OverlapScan | undefined,
): NonNullable<GenerateOptions['otherFiles']> {
  return async (folder) => {
    const files = scan === undefined ? [] : [await scan.write(folder)];
    if (format === 'jsonl') return files;
    const { writeOtherForm } = await import('../generate/other_forms.js');
    return [...files, await writeOtherForm(folder, format)];
  };
}

/** The evaluation sets are read before the first call: their hash is in the plan. */
export async function overlapScanOf(flags: GenerationFlags): Promise<OverlapScan | undefined> {
  const { evaluation, excludeOverlap } = flags;
  if (evaluation === undefined) {
    if (excludeOverlap !== true) return undefined;
    throw new RangeError(
      'expected --evaluation to name a folder of the STS sets for --exclude-overlap, received none',
    );
  }
  const [{ loadOverlapSets }, { createOverlapScan }] = await Promise.all([
    import('../evaluate/overlap_sets.js'),
    import('../generate/overlap_rows.js'),
  ]);
  return createOverlapScan(await loadOverlapSets(evaluation), excludeOverlap === true);
}

/** What of the flags changes rows or files, beside what the plan names. */
export function outputOf(
  { inputFormat, textField, idField, source, licence, ...flags }: GenerationFlags,
  scan: OverlapScan | undefined,
): Record<string, string> {
  const nearDuplicates = flags.nearDuplicates?.toString();
  const sameMeaning = flags.sameMeaning?.toString();
  // A path is no part of a plan, the encoder's name is.
  const asks = sameMeaning !== undefined || flags.set?.['characters'] === 'nearest';
  const encoder = asks ? basename(flags.model ?? '') : undefined;
  const format = flags.format === 'jsonl' ? undefined : flags.format;
  const columns = flags.columns === undefined ? undefined : JSON.stringify(flags.columns);
  const reading = { inputFormat, textField, idField, source, licence, columns };
  const maxSourceShare = flags.maxSourceShare?.toString();
  const overlap = { evaluation: scan?.hash, excludeOverlap: flags.excludeOverlap?.toString() };
  const likeness = { nearDuplicates, sameMeaning, encoder };
  const given = { ...reading, format, ...likeness, maxSourceShare, ...overlap };
  return withoutUndefined(given) as Record<string, string>;
}

/** How many rows share a text with an evaluation set, where the run looked. */
export async function sayOverlap(folder: string, commit: Commit): Promise<void> {
  const [{ overlapName }, { readOverlapResult }] = await Promise.all([
    import('../generate/overlap_rows.js'),
    import('../generate/overlap_result.js'),
  ]);
  if (!commit.files.some(({ name }) => name === overlapName)) return;
  const path = join(folder, overlapName);
  const { overlapping, examples, excluded, sets } = await readOverlapResult(path, commit);
  const named = sets
    .filter(({ examples: rows }) => rows > 0)
    .map(({ name, examples: rows }) => `${name} ${count(rows)}`);
  const shares =
    excluded === true
      ? 'shared a text with an evaluation set and are left out'
      : 'share a text with an evaluation set';
  process.stderr.write(
    forTerminalLine(
      `${count(overlapping)} of ${count(examples)} rows ${shares}` +
        `${named.length === 0 ? '' : ` (${named.join(', ')})`}: ${path}`,
      1000,
    ) + '\n',
  );
}
