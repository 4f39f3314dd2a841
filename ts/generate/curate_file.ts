import { readExamples } from '../dataset/examples.js';
import type { ReadExamplesOptions } from '../dataset/examples.js';
import { writeExamples } from '../dataset/example_writers.js';
import type { WrittenFormat } from '../dataset/example_writers.js';
import type { TrainingExample } from '../dataset/training_example.js';
import type { Quarantine } from '../files/quarantine.js';
import { defaultRule, preFilter, releasedRules, ruleInWords, survives } from './curate.js';
import type { CurationRule } from './curate.js';

export interface CurateOptions {
  readonly rule: CurationRule;
  /** Swap roles and drop triples as MultiCSR does before curation; for files graded elsewhere. */
  readonly preFilter?: boolean;
  /** Where the survivors go; without it they are only counted. */
  readonly output?: { readonly path: string; readonly format: WrittenFormat };
  readonly reading?: Omit<ReadExamplesOptions, 'keepRecords'>;
  /** Takes the rows that are no graded triples. */
  readonly quarantine?: Quarantine;
}

/** How many triples a rule leaves. */
export interface RuleSurvivors {
  /** `chosen`, `default` or `released`, after the thresholds it has. */
  readonly name: string;
  readonly rule: string;
  readonly rows: number;
}

export interface CuratedFile {
  /** Graded triples in the file. */
  readonly triples: number;
  /** Rows that are none: no hard negative, no grade, unreadable. */
  readonly bad: number;
  readonly swapped: number;
  /** Dropped by the pre-filter, before any rule. */
  readonly preFiltered: number;
  readonly kept: number;
  /** The chosen rule first, then the default, then every released preset. */
  readonly survivors: readonly RuleSurvivors[];
}

/**
 * Keeps the triples of a graded file that a rule lets through, and counts what every rule would
 * leave (METHODS 6, D5). A row that is kept as it is keeps its line, a swapped one is written anew.
 * Throws SimgptError as reading and writing examples do.
 */
export async function curateFile(path: string, options: CurateOptions): Promise<CuratedFile> {
  const { output, quarantine } = options;
  const counts = { triples: 0, bad: 0, swapped: 0, preFiltered: 0, kept: 0 };
  const rules = countedRules(options.rule);
  const kept = survivorsOf(path, options, counts, rules);
  try {
    if (output === undefined) for await (const _ of kept);
    else await writeExamples(output.path, output.format, kept);
    await quarantine?.commit();
  } catch (error) {
    await quarantine?.abort();
    throw error;
  }
  return {
    ...counts,
    survivors: rules.map(({ name, rule, rows }) => ({ name, rule: ruleInWords(rule), rows })),
  };
}

interface CountedRule {
  readonly name: string;
  readonly rule: CurationRule;
  rows: number;
}

function countedRules(chosen: CurationRule): readonly CountedRule[] {
  const isDefault = ruleInWords(chosen) === ruleInWords(defaultRule);
  return [
    ...(isDefault ? [] : [{ name: 'chosen', rule: chosen, rows: 0 }]),
    { name: 'default', rule: defaultRule, rows: 0 },
    ...releasedRules.map((rule) => ({ name: 'released', rule, rows: 0 })),
  ];
}

async function* survivorsOf(
  path: string,
  { rule, preFilter: filters = false, reading = {}, quarantine }: CurateOptions,
  counts: { triples: number; bad: number; swapped: number; preFiltered: number; kept: number },
  rules: readonly CountedRule[],
): AsyncGenerator<TrainingExample> {
  const refuse = async (line: number, field: string | null, reason: string): Promise<void> => {
    counts.bad++;
    await quarantine?.add({ file: path, line, field, reason });
  };
  for await (const row of readExamples(path, { ...reading, keepRecords: true })) {
    if (row.problem !== undefined) {
      await refuse(row.line, row.field, row.problem);
      continue;
    }
    const missing = missingField(row);
    if (missing !== undefined) {
      await refuse(row.line, missing, 'expected a graded triple, received none');
      continue;
    }
    counts.triples++;
    const found = filters ? inRoles(row) : row;
    if (found === undefined) {
      counts.preFiltered++;
      continue;
    }
    if (found !== row) counts.swapped++;
    const grades = { positive: found.positiveScore!, negative: found.negativeScore! };
    for (const counted of rules) {
      if (survives(grades, counted.rule)) counted.rows++;
    }
    if (survives(grades, rule)) {
      counts.kept++;
      yield found;
    }
  }
}

function missingField(row: TrainingExample): string | undefined {
  if (row.hardNegatives.length === 0) return 'hardNegatives';
  if (row.positiveScore === undefined) return 'positiveScore';
  return row.negativeScore === undefined ? 'negativeScore' : undefined;
}

/** The row in the roles that its grades give it; of several hard negatives the first is swapped. */
function inRoles(row: TrainingExample): TrainingExample | undefined {
  const { positive, hardNegatives, positiveScore, negativeScore } = row;
  const verdict = preFilter({ positive: positiveScore!, negative: negativeScore! });
  if (verdict !== 'swap') return verdict === 'keep' ? row : undefined;
  const [first, ...others] = hardNegatives;
  return {
    ...row,
    positive: first!,
    hardNegatives: [positive, ...others],
    positiveScore: negativeScore,
    negativeScore: positiveScore,
    record: undefined,
  };
}
