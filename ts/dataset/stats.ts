import { createDigestSet } from '../files/digest_map.js';
import { comparableText } from './minhash.js';
import { createNearDuplicateIndex } from './near_duplicates.js';
import { rowKey } from './dedup.js';
import type { TrainingExample } from './training_example.js';

/** Lengths of one kind of text, in UTF-16 units. */
export interface LengthSummary {
  readonly texts: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
  readonly mean: number;
}

export interface ScoreSummary {
  readonly rows: number;
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}

/** What a set of examples is made of. */
export interface ExampleStats {
  readonly rows: number;
  /** Rows whose anchor is their positive: data for unsupervised training. */
  readonly unsupervised: number;
  /** [hard negatives, rows with so many], ascending. */
  readonly hardNegatives: readonly (readonly [count: number, rows: number])[];
  readonly lengths: Readonly<Record<'anchor' | 'positive' | 'hardNegatives', LengthSummary | null>>;
  readonly scores: Readonly<Record<'positiveScore' | 'negativeScore', ScoreSummary | null>>;
  readonly sources: readonly NamedCount[];
  readonly tasks: readonly NamedCount[];
  readonly groups: number;
  readonly distinctTexts: number;
  /** Rows that repeat all texts of an earlier one, case and white space apart. */
  readonly duplicateRows: number;
  /** Rows whose anchor an earlier row has. */
  readonly repeatedAnchors: number;
  /** Rows whose id an earlier row has. */
  readonly repeatedIds: number;
  /** Rows whose anchor is nearly that of an earlier row; null where it was not asked for. */
  readonly nearAnchors: number | null;
  /** Rows in which half of a surrogate pair was replaced by U+FFFD. */
  readonly replaced: number;
}

export interface NamedCount {
  readonly name: string;
  readonly rows: number;
}

/** Counts row by row: 24 bytes of memory a distinct text, with `near` the anchors too. */
export function createStats({ near = false }: { readonly near?: boolean | undefined } = {}): {
  readonly add: (example: TrainingExample) => void;
  readonly report: () => ExampleStats;
} {
  const counts = { rows: 0, unsupervised: 0, replaced: 0, nearAnchors: 0 };
  const negatives = createTally<number>();
  const [sources, tasks, groups] = [createTally(), createTally(), createTally()];
  const lengths = {
    anchor: createTally<number>(),
    positive: createTally<number>(),
    hardNegatives: createTally<number>(),
  };
  const scores = { positiveScore: createScores(), negativeScore: createScores() };
  const distinct = () => createDigestSet();
  const [texts, rows, anchors, ids] = [distinct(), distinct(), distinct(), distinct()];
  const index = near ? createNearDuplicateIndex() : undefined;
  return {
    add: (example) => {
      const { anchor, positive, hardNegatives, task, group } = example;
      counts.rows++;
      counts.unsupervised += anchor === positive ? 1 : 0;
      counts.replaced += example.replaced ? 1 : 0;
      negatives.add(hardNegatives.length);
      sources.add(example.source);
      if (task !== undefined) tasks.add(task);
      if (group !== undefined) groups.add(group);
      lengths.anchor.add(anchor.length);
      lengths.positive.add(positive.length);
      hardNegatives.forEach((text) => lengths.hardNegatives.add(text.length));
      scores.positiveScore.add(example.positiveScore);
      scores.negativeScore.add(example.negativeScore);
      [anchor, positive, ...hardNegatives].forEach((text) => texts.add(comparableText(text)));
      rows.add(rowKey(example));
      anchors.add(comparableText(anchor));
      ids.add(example.id);
      if (index !== undefined) {
        counts.nearAnchors += index.matches(anchor).length > 0 ? 1 : 0;
        index.add(anchor);
      }
    },
    report: () => ({
      rows: counts.rows,
      unsupervised: counts.unsupervised,
      hardNegatives: negatives.sorted(),
      lengths: {
        anchor: summarize(lengths.anchor),
        positive: summarize(lengths.positive),
        hardNegatives: summarize(lengths.hardNegatives),
      },
      scores: {
        positiveScore: scores.positiveScore.summary(),
        negativeScore: scores.negativeScore.summary(),
      },
      sources: named(sources),
      tasks: named(tasks),
      groups: groups.size(),
      distinctTexts: texts.size,
      duplicateRows: counts.rows - rows.size,
      repeatedAnchors: counts.rows - anchors.size,
      repeatedIds: counts.rows - ids.size,
      nearAnchors: near ? counts.nearAnchors : null,
      replaced: counts.replaced,
    }),
  };
}

interface Tally<Key> {
  readonly add: (key: Key) => void;
  readonly size: () => number;
  /** By key, ascending. */
  readonly sorted: () => [key: Key, count: number][];
}

function createTally<Key extends string | number = string>(): Tally<Key> {
  const counts = new Map<Key, number>();
  return {
    add: (key) => void counts.set(key, (counts.get(key) ?? 0) + 1),
    size: () => counts.size,
    sorted: () => [...counts].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

function named(tally: Tally<string>): NamedCount[] {
  const counts = tally.sorted().map(([name, rows]) => ({ name, rows }));
  return counts.sort((a, b) => b.rows - a.rows);
}

function summarize(tally: Tally<number>): LengthSummary | null {
  const counts = tally.sorted();
  const texts = counts.reduce((sum, [, count]) => sum + count, 0);
  if (texts === 0) {
    return null;
  }
  const quantile = (share: number): number => {
    let seen = 0;
    return counts.find(([, count]) => (seen += count) >= share * texts)![0];
  };
  const sum = counts.reduce((total, [length, count]) => total + length * count, 0);
  return {
    texts,
    min: counts[0]![0],
    median: quantile(0.5),
    p95: quantile(0.95),
    max: counts.at(-1)![0],
    mean: sum / texts,
  };
}

function createScores(): {
  readonly add: (score: number | undefined) => void;
  readonly summary: () => ScoreSummary | null;
} {
  let rows = 0;
  let sum = 0;
  let min = Infinity;
  let max = -Infinity;
  return {
    add: (score) => {
      if (score !== undefined) {
        rows++;
        sum += score;
        min = Math.min(min, score);
        max = Math.max(max, score);
      }
    },
    summary: () => (rows === 0 ? null : { rows, min, mean: sum / rows, max }),
  };
}
