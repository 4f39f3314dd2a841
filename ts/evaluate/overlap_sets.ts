import { join } from 'node:path';
import { SimgptError } from '../errors.js';
import type { EvaluationTexts } from './overlap.js';
import { loadStsData } from './sts_data.js';
import { readStsTable } from './sts_rows.js';
import { stsTaskNames } from './sts_tasks.js';

/** The sets that training data is compared with, and those that are in none of the folders. */
export interface OverlapSets {
  readonly sets: readonly EvaluationTexts[];
  readonly missing: readonly string[];
}

/**
 * The texts of the STS sets that are there: the test pairs of each (of SICK-R all three splits, as
 * protocol mteb counts them), and as `stsb-dev` what models are usually chosen by. Throws SimgptError
 * `fileNotFound` where the folders hold none, `dataInvalid` where one is not what was published.
 */
export async function loadOverlapSets(
  folders: readonly string[],
  signal?: AbortSignal,
): Promise<OverlapSets> {
  const sets: EvaluationTexts[] = [];
  const missing: string[] = [];
  for (const name of stsTaskNames) {
    const data = await loadStsData({
      folders,
      protocol: 'mteb',
      tasks: [name],
      ...(signal === undefined ? {} : { signal }),
    }).catch(absent);
    const [found] = data?.sets ?? [];
    if (found === undefined) {
      missing.push(name);
    } else {
      sets.push({ name, texts: [...found.left, ...found.right] });
    }
  }
  if (sets.length === 0) {
    throw new SimgptError(
      'fileNotFound',
      `expected sts12.tsv ... sickr.tsv or SentEval's folders to compare with, ` +
        `found none in ${folders.join(', ') || 'no folder'}`,
    );
  }
  const dev = await devTexts(folders, signal);
  return dev === undefined
    ? { sets, missing: [...missing, 'stsb-dev'] }
    : { sets: [...sets, { name: 'stsb-dev', texts: dev }], missing };
}

async function devTexts(
  folders: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string[] | undefined> {
  for (const folder of folders) {
    const found = await readStsTable(join(folder, 'stsb.tsv'), signal).catch(absent);
    if (found !== undefined) {
      const rows = found.rows.filter(({ split }) => split === 'dev');
      return rows.flatMap(({ sentence1, sentence2 }) => [sentence1, sentence2]);
    }
  }
  return undefined;
}

function absent(error: unknown): undefined {
  if (!(error instanceof SimgptError) || error.code !== 'fileNotFound') {
    throw error;
  }
}
