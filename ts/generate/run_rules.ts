// What the settings say of the rows of a run: which are left out, and what is made of them.
import { basename } from 'node:path';

import { shippedModelName } from '../encoder/shipped_model.js';
import { withoutUndefined } from '../files/canonical_json.js';
import type { GenerateOptions } from './generate.js';
import { unitCosine } from './likeness.js';
import type { OverlapScan } from './overlap_rows.js';
import type { RunSettings } from './run_settings.js';

/** The second form of the rows that the settings ask for. */
export function otherFilesOf(
  { format }: RunSettings,
  scan: OverlapScan | undefined,
): NonNullable<GenerateOptions['otherFiles']> {
  return async (folder) => {
    const files = scan === undefined ? [] : [await scan.write(folder)];
    if (format === 'jsonl') return files;
    const { writeOtherForm } = await import('./other_forms.js');
    return [...files, await writeOtherForm(folder, format)];
  };
}

/** The evaluation sets are read before the first call: their hash is in the plan. */
export async function overlapScanOf(settings: RunSettings): Promise<OverlapScan | undefined> {
  const { evaluation, excludeOverlap } = settings;
  if (evaluation === undefined) {
    if (excludeOverlap !== true) return undefined;
    throw new RangeError(
      'expected --evaluation to name a folder of the STS sets for --exclude-overlap, received none',
    );
  }
  const [{ loadOverlapSets }, { createOverlapScan }] = await Promise.all([
    import('../evaluate/overlap_sets.js'),
    import('./overlap_rows.js'),
  ]);
  return createOverlapScan(await loadOverlapSets(evaluation), excludeOverlap === true);
}

/** What of the settings changes rows or files, beside what the plan names. */
export function outputOf(
  recipe: string,
  { inputFormat, textField, idField, source, licence, ...settings }: RunSettings,
  scan: OverlapScan | undefined,
): Record<string, string> {
  const nearDuplicates = settings.nearDuplicates?.toString();
  const sameMeaning = settings.sameMeaning?.toString();
  // A path is no part of a plan, the encoder's name is.
  const asks =
    unitCosine(recipe, settings) !== undefined || settings.set?.['characters'] === 'nearest';
  const encoder = asks ? basename(settings.model ?? shippedModelName) : undefined;
  const format = settings.format === 'jsonl' ? undefined : settings.format;
  const columns = settings.columns === undefined ? undefined : JSON.stringify(settings.columns);
  const reading = { inputFormat, textField, idField, source, licence, columns };
  const maxSourceShare = settings.maxSourceShare?.toString();
  const overlap = { evaluation: scan?.hash, excludeOverlap: settings.excludeOverlap?.toString() };
  const likeness = { nearDuplicates, sameMeaning, encoder };
  const given = { ...reading, format, ...likeness, maxSourceShare, ...overlap };
  return withoutUndefined(given) as Record<string, string>;
}
