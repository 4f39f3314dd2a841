import { join } from 'node:path';
import { SimgptError } from '../errors.js';
import type { EvaluationTexts } from './overlap.js';
import { loadStsData } from './sts_data.js';
import { readStsTable } from './sts_rows.js';
import { stsTaskNames } from './sts_tasks.js';

/** Of STS-B, what models are usually chosen by. */
export const stsDevName = 'stsb-dev' as const;

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
  const { sets, missing, damaged } = await findOverlapSets(folders, signal);
  const [bad] = damaged;
  if (bad !== undefined) throw bad.error;
  if (!sets.some(({ name }) => name !== stsDevName)) {
    throw new SimgptError(
      'fileNotFound',
      `expected sts12.tsv ... sickr.tsv or SentEval's folders to compare with, ` +
        `found none in ${folders.join(', ') || 'no folder'}`,
    );
  }
  return { sets, missing };
}

/** A set that is there and is not what was published. */
export interface DamagedSet {
  readonly name: string;
  /** `dataInvalid`, naming the file, and the line where one is at fault. */
  readonly error: SimgptError;
}

/** {@link loadOverlapSets} that takes what is whole: no set need be there, damaged ones are named. */
export async function findOverlapSets(
  folders: readonly string[],
  signal?: AbortSignal,
): Promise<OverlapSets & { readonly damaged: readonly DamagedSet[] }> {
  const sets: EvaluationTexts[] = [];
  const missing: string[] = [];
  const damaged: DamagedSet[] = [];
  const note = (name: string) => (error: unknown) => {
    if (!(error instanceof SimgptError) || error.code !== 'dataInvalid') return absent(error);
    damaged.push({ name, error });
    return undefined;
  };
  for (const name of stsTaskNames) {
    const data = await loadStsData({
      folders,
      protocol: 'mteb',
      tasks: [name],
      ...(signal === undefined ? {} : { signal }),
    }).catch(note(name));
    const [found] = data?.sets ?? [];
    if (found === undefined) {
      missing.push(name);
    } else {
      sets.push({ name, texts: [...found.left, ...found.right] });
    }
  }
  const dev = await devTexts(folders, signal).catch(note(stsDevName));
  if (dev === undefined) {
    missing.push(stsDevName);
  } else {
    sets.push({ name: stsDevName, texts: dev });
  }
  return { sets, missing, damaged };
}

async function devTexts(
  folders: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string[] | undefined> {
  for (const folder of folders) {
    const found = await readStsTable(join(folder, 'stsb.tsv'), signal).catch(absent);
    if (found !== undefined) {
      // A row that could not be read may be one of them.
      const [bad] = found.badRows;
      if (bad !== undefined) {
        throw new SimgptError('dataInvalid', `${bad.file}, line ${bad.line}: ${bad.reason}`);
      }
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
