import { batchKills } from './batch_rows.js';
import { caps, killPoints, killStages, money } from './generation_rows.js';
import { flatMemory } from './memory_rows.js';
import { powerLoss } from './power_rows.js';
import type { SoakResult } from './soak_result.js';
import { signalledRuns, signalledSteps } from './signal_rows.js';
import { copiedCheckpoints, pairedRuns, seenExamples } from './train_loop_rows.js';
import { trainingKills } from './train_rows.js';

export interface SoakGround {
  readonly shim: string;
  /** An empty folder of the row's own. */
  readonly root: string;
  readonly seed: number;
}

export interface SoakRow {
  readonly what: string;
  /** Trials unless told; every one there is where it is absent. */
  readonly full?: number;
  /** `count` is absent where every trial is to be run. */
  readonly run: (ground: SoakGround & { readonly count?: number }) => Promise<SoakResult>;
}

const signalLimits = { stopMs: 10_000, secondMs: 1_000 };

/** By id of the reliability table, in the order in which they run. */
export const rows: Readonly<Record<string, SoakRow>> = {
  J1: {
    what: 'file operations of a 40-example generation run, killed at and resumed',
    run: killPoints,
  },
  J1stages: {
    what: 'file operations of a run of two stages, killed at and resumed',
    run: killStages,
  },
  J4: {
    what: 'file operations of a generation run from which on the disk is full',
    run: (ground) => killPoints({ ...ground, errno: 28 }),
  },
  J3: {
    what: 'images of a journal after the power went',
    full: 5000,
    run: ({ count = 5000, root, seed }) => powerLoss({ root, seed, count: Math.ceil(count / 2) }),
  },
  G2: {
    what: 'examples through 15 % faults and 30 kills',
    full: 100_000,
    run: ({ count = 100_000, ...ground }) => money({ ...ground, examples: count, kills: 30 }),
  },
  G3: {
    what: 'capped runs through faults and kills',
    full: 1000,
    run: ({ count = 1000, ...ground }) => caps({ ...ground, count }),
  },
  G7: {
    what: 'runs in batches through faults of every call and line, and kills',
    full: 300,
    run: ({ count = 300, root, seed }) => batchKills({ root, seed, count }),
  },
  memory: {
    what: 'examples in one run, what is alive at the last against a tenth of them',
    full: 100_000,
    run: ({ count = 100_000, root }) => flatMemory({ root, count }),
  },
  T1: {
    what: 'kills of a training run at file operations, resumed to the same bytes',
    full: 200,
    run: ({ count = 200, ...ground }) => trainingKills({ ...ground, count }),
  },
  J4train: {
    what: 'file operations of a training run from which on the disk is full',
    full: 200,
    run: ({ count = 200, ...ground }) => trainingKills({ ...ground, count, errno: 28 }),
  },
  T3: {
    what: 'copies of the checkpoints while a run goes on, each with one that loads',
    full: 5000,
    run: ({ count = 5000, ...ground }) => copiedCheckpoints({ ...ground, count }),
  },
  T4: {
    what: 'runs of many starts, each example once an epoch',
    full: 100,
    run: ({ count = 100, ...ground }) => seenExamples({ ...ground, count }),
  },
  T6: {
    what: 'signals that stop training runs, in 10 s, the second in 1 s; run again, to the same bytes',
    full: 200,
    run: ({ count = 200, ...ground }) => signalledRuns({ ...ground, count, limits: signalLimits }),
  },
  T6step: {
    what: 'second signals within a step that takes seconds, which end it in 1 s',
    full: 20,
    run: ({ count = 20, ...ground }) => signalledSteps({ ...ground, count, limits: signalLimits }),
  },
  T7: {
    what: 'pairs of training runs of one seed, on one thread and two, to the same bytes',
    full: 20,
    run: ({ count = 20, ...ground }) => pairedRuns({ ...ground, count }),
  },
};
