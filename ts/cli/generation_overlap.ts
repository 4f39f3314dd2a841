import { join } from 'node:path';

import type { Commit } from '../generate/run_records.js';
import { count } from './table.js';
import { forTerminalLine } from './terminal.js';

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
