import { z } from 'zod';

import { SimgptError } from '../errors.js';
import { readChecked } from '../files/checked_json.js';
import { dataName } from './artefact.js';
import type { Commit } from './run_records.js';

const count = z.int().min(0);

// The parts of what `simgpt data overlap` stores that a card tells; the others may be there.
const schema = z.object({
  files: z.array(z.object({ sha256: z.string().optional() })),
  threshold: z.number(),
  /** Whether the rows that share a text were left out; else they are there. */
  excluded: z.boolean().optional(),
  ngram: count,
  examples: count,
  overlapping: count,
  sets: z.array(z.object({ name: z.string(), exact: count, near: count, examples: count })),
});

/** How many rows share a text with evaluation sets. */
export type OverlapResult = z.infer<typeof schema>;

/** Reads the report of an overlap scan. Throws SimgptError, `dataInvalid` for other rows than these. */
export async function readOverlapResult(path: string, { files }: Commit): Promise<OverlapResult> {
  const result = await readChecked(path, schema);
  const data = files.find(({ name }) => name === dataName);
  const [scanned] = result.files;
  if (result.files.length === 1 && scanned?.sha256 === data?.sha256) return result;
  throw new SimgptError(
    'dataInvalid',
    `${path}: expected a scan of this run's ${dataName} alone (sha256 ${data?.sha256 ?? 'none'}), ` +
      `received one of ${scanned?.sha256 ?? 'none'}`,
  );
}
