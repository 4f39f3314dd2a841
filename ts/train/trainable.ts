import type { SentenceEncoder } from '../encoder/sentence_encoder.js';

/** One example of a batch: the texts and what a loss may ask about them. */
export interface BatchExample {
  readonly id: string;
  readonly anchor: string;
  readonly positive: string;
  readonly hardNegatives: readonly string[];
}

/** The examples of one step; the last of an epoch may be smaller. */
export interface Batch<Example extends BatchExample = BatchExample> {
  /** From 0. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  readonly examples: readonly Example[];
}

/** A run's batches, each a function of its step alone. */
export interface BatchSource<Example extends BatchExample = BatchExample> {
  readonly stepsPerEpoch: number;
  readonly batchAt: (step: number) => Batch<Example> | Promise<Batch<Example>>;
}

export interface LossOfBatch {
  readonly loss: number;
  /** Each loss by its kind, unweighted. */
  readonly parts: Readonly<Record<string, number>>;
}

/** What the loop needs of a model that is trained. */
export interface TrainableModel<
  Example extends BatchExample = BatchExample,
> extends SentenceEncoder {
  /** The loss of one batch; its gradient is kept for `update`. */
  readonly accumulate: (batch: Batch<Example>) => Promise<LossOfBatch>;
  /** One optimizer step, clipped to `maxGradNorm`; returns the gradient's norm before clipping. */
  readonly update: (options: {
    readonly learningRate: number;
    readonly maxGradNorm: number | null;
  }) => Promise<number>;
  /** Writes weights and optimizer state to a file that is not there yet, durably. */
  readonly saveState: (path: string) => Promise<void>;
  readonly loadState: (path: string) => Promise<void>;
  /** Writes the model as a folder that is not there yet, whole or not at all. */
  readonly exportModel: (folder: string) => Promise<void>;
}

/** What one look at the dev sets found; correlations in [-1, 1]. */
export interface Evaluation {
  /** Spearman by set. */
  readonly scores: Readonly<Record<string, number>>;
  /** Their mean: what the best checkpoint is chosen by. */
  readonly score: number;
  /** Wang & Isola 2020: mean squared distance of pairs that mean the same; lower is closer. */
  readonly alignment: number | null;
  /** Wang & Isola 2020: logarithm of the mean Gaussian potential of texts; lower is more even. */
  readonly uniformity: number | null;
}

/** Scores a model on dev sets; rejects with `cancelled` where the signal aborts. */
export type Evaluate = (model: SentenceEncoder, signal?: AbortSignal) => Promise<Evaluation>;
