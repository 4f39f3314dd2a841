import type { TrainingBatch } from '../dataset/batches.js';
import type { Checkpoint } from '../encoder/checkpoint.js';
import type { SentenceEncoder } from '../encoder/sentence_encoder.js';
import type { Settings } from './recipe_schema.js';
import type { TrainingCompute } from './training_options.js';

/** A run's batches, each a function of its step alone. */
export interface BatchSource {
  readonly batchAt: (step: number) => TrainingBatch;
}

export interface LossOfBatch {
  readonly loss: number;
  /** Each loss by its kind, unweighted. */
  readonly parts: Readonly<Record<string, number>>;
  /** Texts that were cut. Default 0. */
  readonly truncated?: number | undefined;
}

/** What the loop needs of a model that is trained. */
export interface TrainableModel extends SentenceEncoder {
  /** The loss of one batch; its gradient is kept for `update`. */
  readonly accumulate: (batch: TrainingBatch) => Promise<LossOfBatch>;
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

/** How many of the data's texts the teacher has embedded before the first step. */
export interface TeacherProgress {
  readonly done: number;
  readonly total: number;
}

/** What a model is opened for. */
export interface ModelRequest {
  readonly checkpoint: Checkpoint;
  readonly settings: Settings;
  /** Of dropout and of what is drawn anew. */
  readonly seed: number;
  readonly compute?: TrainingCompute | undefined;
  readonly threads?: number | undefined;
  readonly chunkTokens?: number | undefined;
  /** Every list of texts of the data. */
  readonly texts: () => Iterable<readonly string[]>;
  /** Whose embeddings are learned, where a loss asks. */
  readonly teacher?: Checkpoint | undefined;
  readonly onTeacher?: ((progress: TeacherProgress) => void) | undefined;
  /** The encoder that tells false negatives. */
  readonly reference?: Checkpoint | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type OpenModel = (request: ModelRequest) => Promise<TrainableModel & AsyncDisposable>;
