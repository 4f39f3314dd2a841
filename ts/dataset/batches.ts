import { createDigestMap } from '../files/digest_map.js';
import { planEpoch } from './epoch_plan.js';
import type { EpochPlan, PlannedExamples, TextIds } from './epoch_plan.js';
import type { TrainingExample } from './training_example.js';

/** What a batch needs of an example. */
export type BatchableExample = Pick<
  TrainingExample,
  'id' | 'anchor' | 'positive' | 'hardNegatives' | 'group' | 'task' | 'source'
>;

/** The examples of one step; the last of an epoch may be smaller. */
export interface TrainingBatch<Example extends BatchableExample = TrainingExample> {
  /** From 0, over all epochs. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  readonly examples: readonly Example[];
  /** The number of each example, from 0 over all sources: what dropout counts by. */
  readonly exampleIds: Uint32Array;
  /**
   * One number an example: equal where the groups are, of its own where it has none. Absent where no
   * example of the data has a group.
   */
  readonly groupIds?: Uint32Array;
}

/** Examples of one origin and how often an epoch holds them. */
export interface WeightedSource<Example extends BatchableExample = TrainingExample> {
  readonly examples: readonly Example[];
  /**
   * Default 1: each example once an epoch. 2: twice; 0.5: every other one, the rest in the next
   * epoch. > 0.
   */
  readonly weight?: number | undefined;
}

export interface BatchOptions {
  readonly batchSize: number;
  /** An integer from 0 to 2^53 - 1; with the epoch it decides the order. */
  readonly seed: number;
  /**
   * No text (lower-cased, trimmed) in two examples of a batch (METHODS 1.7, D22). Default: unless
   * anchor and positive are the same text throughout, as in unsupervised data.
   */
  readonly distinctTexts?: boolean | undefined;
  /** Each batch holds one task of one source. Default false. */
  readonly sameTaskBatches?: boolean | undefined;
}

/** Batches of a data set, each a function of (seed, step) alone: none before it need be made. */
export interface Batches<Example extends BatchableExample = TrainingExample> {
  /** Steps of the first epoch, and of the others unless texts repeat more often than batches allow. */
  readonly stepsPerEpoch: number;
  readonly stepsInEpoch: (epoch: number) => number;
  /** Steps of the first `epochs` epochs. */
  readonly stepsIn: (epochs: number) => number;
  /** The batch of a step from 0, in whatever epoch it falls. */
  readonly batchAt: (step: number) => TrainingBatch<Example>;
}

/**
 * Orders examples into batches by counters. Every example comes as often in an epoch as its source's
 * weight says, none is dropped, and no state is carried: `batchAt(step)` after a restart is what it
 * was before. Throws RangeError for sizes, weights and seeds out of range.
 */
export function createBatches<Example extends BatchableExample>(
  sources: readonly WeightedSource<Example>[],
  options: BatchOptions,
): Batches<Example> {
  const { batchSize, seed } = options;
  expectInteger('batchSize', batchSize, 1, 2 ** 24);
  expectInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  const examples = sources.flatMap((source) => source.examples);
  expectInteger('the number of examples', examples.length, 1, 2 ** 32 - 1);
  const planned = plannedExamples(sources, examples, options);
  const groups = groupIdsOf(examples);
  const planOf = cacheOfOne((epoch) => planEpoch(planned, batchSize, { seed, epoch }));
  const steps: number[] = [];
  const stepsInEpoch = (epoch: number): number => {
    expectInteger('epoch', epoch, 0, 2 ** 32 - 1);
    return (steps[epoch] ??= planOf(epoch).starts.length - 1);
  };
  // Without texts to keep apart, every epoch has as many batches as the first.
  const even = planned.texts === undefined && planned.kinds === undefined;
  const locate = (step: number): { epoch: number; first: number } => {
    if (even) {
      const epoch = Math.floor(step / stepsInEpoch(0));
      return { epoch, first: epoch * stepsInEpoch(0) };
    }
    let epoch = 0;
    let first = 0;
    for (; step >= first + stepsInEpoch(epoch); epoch++) {
      first += stepsInEpoch(epoch);
    }
    return { epoch, first };
  };
  return {
    stepsPerEpoch: stepsInEpoch(0),
    stepsInEpoch,
    stepsIn: (epochs) => {
      let sum = 0;
      for (let epoch = 0; epoch < epochs; epoch++) {
        sum += even ? stepsInEpoch(0) : stepsInEpoch(epoch);
      }
      return sum;
    },
    batchAt: (step) => {
      expectInteger('step', step, 0, 2 ** 32 - 1);
      const { epoch, first } = locate(step);
      const { order, starts } = planOf(epoch);
      const exampleIds = order.slice(starts[step - first], starts[step - first + 1]);
      return {
        step,
        epoch,
        examples: Array.from(exampleIds, (id) => examples[id]!),
        exampleIds,
        ...(groups === undefined ? {} : { groupIds: exampleIds.map((id) => groups[id]!) }),
      };
    },
  };
}

function expectInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new RangeError(
      `expected ${name} to be an integer from ${least} to ${most}, received ${value}`,
    );
  }
}

// An epoch's plan is asked for once a step; two epochs at a time never are.
function cacheOfOne(plan: (epoch: number) => EpochPlan): (epoch: number) => EpochPlan {
  let held: { readonly epoch: number; readonly plan: EpochPlan } | undefined;
  return (epoch) => {
    if (held?.epoch !== epoch) {
      held = { epoch, plan: plan(epoch) };
    }
    return held.plan;
  };
}

function plannedExamples(
  sources: readonly WeightedSource<BatchableExample>[],
  examples: readonly BatchableExample[],
  options: BatchOptions,
): PlannedExamples {
  const sourceStarts = [0];
  for (const { examples: own } of sources) {
    sourceStarts.push(sourceStarts.at(-1)! + own.length);
  }
  const weights = sources.map(({ weight = 1 }) => {
    if (!(weight > 0 && weight <= 1000)) {
      throw new RangeError(
        `expected a source's weight to be > 0 and at most 1000, received ${weight}`,
      );
    }
    return weight;
  });
  const distinct =
    options.distinctTexts ?? examples.some(({ anchor, positive }) => anchor !== positive);
  return {
    size: examples.length,
    sourceStarts,
    weights,
    texts: distinct ? textIdsOf(examples) : undefined,
    kinds: options.sameTaskBatches
      ? numbered(examples.map(({ task, source }) => JSON.stringify([task ?? null, source])))
      : undefined,
  };
}

function textIdsOf(examples: readonly BatchableExample[]): TextIds {
  // By digest: a map of millions of texts would be most of the heap, and ends at 16.7 million.
  const known = createDigestMap();
  const idOf = (text: string): number => {
    const id = known.get(text)?.position ?? known.size;
    if (id === known.size) known.set(text, 0, { position: id, bytes: 1 });
    return id;
  };
  const starts = new Uint32Array(examples.length + 1);
  const ids: number[] = [];
  for (const [i, { anchor, positive, hardNegatives }] of examples.entries()) {
    const own = new Set([anchor, positive, ...hardNegatives].map((text) => idOf(comparable(text))));
    for (const id of own) {
      ids.push(id);
    }
    starts[i + 1] = ids.length;
  }
  return { starts, ids: Uint32Array.from(ids), distinct: known.size };
}

/** A text as D22 compares it. */
function comparable(text: string): string {
  return text.trim().toLowerCase();
}

function groupIdsOf(examples: readonly BatchableExample[]): Uint32Array | undefined {
  return examples.some(({ group }) => group !== undefined)
    ? numbered(examples.map(({ group }, i) => (group === undefined ? `own ${i}` : `of ${group}`)))
    : undefined;
}

function numbered(names: readonly string[]): Uint32Array {
  const idOf = numbering();
  return Uint32Array.from(names, idOf);
}

/** Numbers from 0 for names, in the order in which they are first seen. */
function numbering(): (name: string) => number {
  const ids = new Map<string, number>();
  return (name) => {
    const id = ids.get(name) ?? ids.size;
    ids.set(name, id);
    return id;
  };
}
