import { createHash } from 'node:crypto';
import { dirname } from 'node:path';

import type { TrainingExample } from '../dataset/training_example.js';
import { createOverlapScanner } from '../evaluate/overlap.js';
import type { EvaluationTexts, OverlapReport } from '../evaluate/overlap.js';
import { findOverlapSets, stsDevName } from '../evaluate/overlap_sets.js';
import type { StsData } from '../evaluate/sts_data.js';
import { stsTaskNames } from '../evaluate/sts_tasks.js';
import type { StsTaskName } from '../evaluate/sts_tasks.js';
import type { DevSet } from './dev_sets.js';

/** What of the evaluation sets is in a run's data, and which sets nobody looked at: `overlap.json`. */
export interface RunOverlap extends OverlapReport {
  readonly notCompared: readonly UncomparedSet[];
}

/** A published STS set that was not at hand, or is not what was published. */
export interface UncomparedSet {
  readonly name: StsTaskName | typeof stsDevName;
  /** With its file and line; null where the set is not there. */
  readonly problem: string | null;
}

export interface RunOverlapScanner {
  /** The sets that rows are compared with, each with the sha256 of its texts. */
  readonly compared: Readonly<Record<string, string>>;
  /** Whether a row shares a text with any of them. Each call counts a row. */
  readonly check: (example: TrainingExample) => boolean;
  readonly report: () => RunOverlap;
}

/**
 * Compares with the test sets, the dev sets, and the published sets that lie beside the dev sets. A
 * folder made for a run may hold a part of a published set under its name: it is left out, and named.
 */
export async function openOverlapScan(
  dev: readonly DevSet[],
  test: StsData | undefined,
  signal: AbortSignal | undefined,
): Promise<RunOverlapScanner> {
  const folders = [...new Set(dev.map(({ path }) => dirname(path)))];
  const own: readonly EvaluationTexts[] = [
    ...(test?.sets ?? []),
    ...dev.map((set) => ({ ...set, name: devName(set) })),
  ].map(({ name, left, right }) => ({ name, texts: [...left, ...right] }));
  const found = await findOverlapSets(folders, signal);
  const others = found.sets.filter(({ name }) => !own.some((set) => set.name === name));
  const sets = [...own, ...others];
  const compared = Object.fromEntries(sets.map(({ name, texts }) => [name, digestOf(texts)]));
  const notCompared = [...stsTaskNames, stsDevName]
    .filter((name) => !Object.hasOwn(compared, name))
    .map((name) => {
      const bad = found.damaged.find((set) => set.name === name);
      return { name, problem: bad?.error.message ?? null };
    })
    // Of the dev split only damage is told: models may be chosen by another set.
    .filter(({ name, problem }) => name !== stsDevName || problem !== null);
  const scanner = createOverlapScanner(sets);
  return {
    compared,
    // With nothing to compare with, no row is looked at.
    check: (example) => sets.length > 0 && scanner.check(example).length > 0,
    report: () => ({ ...scanner.report(), notCompared }),
  };
}

function digestOf(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(JSON.stringify(text));
  return hash.digest('hex');
}

/** The dev rows of a file called as a test set is are not that set. */
function devName({ name }: DevSet): string {
  return stsTaskNames.some((task) => task === name) ? `${name}-dev` : name;
}
