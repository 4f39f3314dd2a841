import type { SentenceEncoder } from '../encoder/sentence_encoder.js';

/**
 * What training minimises: one union by `kind`. Several losses are a list; each enters the sum with
 * its `weight`. Similarity is cosine, score is similarity ÷ temperature; sums run over the whole
 * batch, which chunks of memory never change.
 */
export type Loss =
  | InfoNceLoss
  | EnergyHingeLoss
  | MultiCsrLoss
  | Qwen3Loss
  | CoSentLoss
  | TripletLoss
  | DistillationLoss
  | MatryoshkaLoss;

/**
 * A reference encoder whose dropout stays on, as released MultiCSR has it (METHODS D4): `withDropout`
 * makes one. It sees a batch's examples, whose masks follow from step, example and place.
 */
export interface NoisyReference {
  readonly embedExamples: (
    batch: {
      readonly texts: readonly string[];
      readonly examples: number;
      readonly exampleIds: Int32Array;
      readonly owner?: Int32Array | undefined;
      readonly step: number;
    },
    signal?: AbortSignal,
  ) => Promise<Float32Array>;
}

interface Weighted {
  /** Factor in the sum of losses, > 0. Default 1. */
  readonly weight?: number | undefined;
}

/**
 * Candidates that a second encoder takes for false negatives and that are therefore no negatives;
 * an example's own positive is always kept. At least one of `above` and `margin`.
 */
export interface FalseNegativeExclusion {
  /** Without gradient; called for the batch's texts. Absent: the batch's `referenceEmbeddings`. */
  readonly reference?: SentenceEncoder | NoisyReference | undefined;
  /** Drop where the reference cosine of anchor and candidate is above this. */
  readonly above?: number | undefined;
  /** Drop where it is above that of anchor and positive less this. */
  readonly margin?: number | undefined;
}

/**
 * SimCSE, Gao et al. 2021, eq. 5 and 8: anchors to all positives and hard negatives of the batch.
 * Here and in all losses on candidates, a text equal to the anchor or its positive (case and outer
 * white space aside) and a candidate of the anchor's group are no negatives.
 */
export interface InfoNceLoss extends Weighted {
  readonly kind: 'infoNce';
  /**
   * > 0; SimCSE 0.05 (the default). `learned`: starts at `initial` and is trained as its logarithm
   * with the model (Radford et al. 2021), never below `lowest` (default 0.01).
   */
  readonly temperature?:
    | number
    | { readonly kind: 'learned'; readonly initial: number; readonly lowest?: number | undefined }
    | undefined;
  /** Added to the score of an example's own hard negatives, a factor e^w. Default 0. */
  readonly hardNegativeWeight?: number | undefined;
  /** Weight of the direction positive to anchors beside anchor to candidates. Default 0: none. */
  readonly symmetricWeight?: number | undefined;
  readonly excludeFalseNegatives?: FalseNegativeExclusion | undefined;
}

/**
 * PromCSE, Jiang et al. 2022, eq. 10-12: `max(0, margin + c - cos(anchor, positive))`, c the largest
 * cosine of the anchor to a negative. The paper adds it to InfoNCE with weight 10.
 */
export interface EnergyHingeLoss extends Weighted {
  readonly kind: 'energyHinge';
  /** On cosines. Default 0.2. */
  readonly margin?: number | undefined;
}

/** MultiCSR, stage 3: InfoNCE without what a reference encoder takes for false negatives. */
export interface MultiCsrLoss extends Weighted {
  readonly kind: 'multiCsr';
  /** Default 0.05. */
  readonly temperature?: number | undefined;
  /** As in `FalseNegativeExclusion`; the paper takes unsupervised SimCSE of the same backbone. */
  readonly reference?: SentenceEncoder | NoisyReference | undefined;
  /** Reference cosine above which a candidate is dropped. Default 0.95. */
  readonly above?: number | undefined;
  /**
   * 'exclude' (default) leaves masked candidates out. 'zeroScore' repeats the released code: their
   * score becomes 0 and the loss is the mean binary entropy of all cells (METHODS D2).
   */
  readonly masked?: 'exclude' | 'zeroScore' | undefined;
}

/** Qwen3-Embedding report 2025: InfoNCE with anchor-anchor and positive-positive terms. */
export interface Qwen3Loss extends Weighted {
  readonly kind: 'qwen3';
  /** The report gives none. Default 0.02. */
  readonly temperature?: number | undefined;
  /** Terms with a cosine above that of anchor and positive plus this are left out. Default 0.1. */
  readonly margin?: number | undefined;
  /** Other examples' hard negatives are candidates too. Default false. */
  readonly otherHardNegatives?: boolean | undefined;
}

/** Pairs (anchor, positive) with `grades`: a higher grade must have the higher cosine. */
export interface CoSentLoss extends Weighted {
  readonly kind: 'coSent';
  /** Default 0.05. */
  readonly temperature?: number | undefined;
}

/** Schroff et al. 2015 on cosines; without hard negatives, the hardest other positive. */
export interface TripletLoss extends Weighted {
  readonly kind: 'triplet';
  /** Default 0.2. */
  readonly margin?: number | undefined;
}

/** A student that follows a teacher: Hinton et al. 2015; Reimers & Gurevych 2020. */
export interface DistillationLoss extends Weighted {
  readonly kind: 'distillation';
  /**
   * 'vectors' (default): unit vectors themselves, of one length. 'similarities': the cosines of
   * anchors to all candidates, at any length. 'scores': the batch's `teacherScores`, those of own
   * positive and hard negatives; 'mse' compares them with cosines, 'kl' with each other.
   */
  readonly target?: 'vectors' | 'similarities' | 'scores' | undefined;
  /** Default 'mse'; 'kl' is for similarities and scores. */
  readonly objective?: 'mse' | 'kl' | undefined;
  /** Of the student's softmax under 'kl'. Default 0.05. */
  readonly temperature?: number | undefined;
  /** Of the teacher's softmax under 'kl'. Default `temperature`. */
  readonly teacherTemperature?: number | undefined;
  /** Called for the batch's texts. Absent: the batch's `teacherEmbeddings` or `teacherScores`. */
  readonly teacher?: SentenceEncoder | undefined;
}

/** Kusupati et al. 2022: the inner losses on the first dimensions, renormalised, at each size. */
export interface MatryoshkaLoss extends Weighted {
  readonly kind: 'matryoshka';
  readonly losses: readonly Exclude<Loss, MatryoshkaLoss>[];
  /** Dimensions kept, each once. */
  readonly sizes: readonly number[];
  /** One per size. Default 1 each. */
  readonly weights?: readonly number[] | undefined;
}

/** The losses, with those of a matryoshka in its place. */
export function plainLosses(losses: readonly Loss[]): readonly Exclude<Loss, MatryoshkaLoss>[] {
  return losses.flatMap((loss) => (loss.kind === 'matryoshka' ? loss.losses : [loss]));
}

/** Vectors of another encoder for a batch's texts, rows of one width. */
export interface ForeignEmbeddings {
  /** [examples, width] */
  readonly anchors: Float32Array;
  /** [examples, width] */
  readonly positives: Float32Array;
  /** [hard negatives of all examples, width]. Default none. */
  readonly hardNegatives?: Float32Array | undefined;
}

/** What a candidate is whose text is that of the anchor or of its positive, case apart. */
export const equalTextsChoices = ['exclude', 'negatives'] as const;
export type EqualTexts = (typeof equalTextsChoices)[number];

/** The texts of one step and what a loss may ask about them; examples by place. */
export interface GradientBatch {
  readonly anchors: readonly string[];
  readonly positives: readonly string[];
  readonly hardNegatives?: readonly (readonly string[])[] | undefined;
  /** Integers from 0 to 2^32 - 1: what dropout draws by and errors name. Default the places. */
  readonly exampleIds?: readonly number[] | Uint32Array | undefined;
  /** > 0, one per example. Default all 1. */
  readonly rowWeights?: readonly number[] | undefined;
  /** A class per example: candidates of the anchor's class are no negatives. */
  readonly groups?: readonly (string | number | undefined)[] | undefined;
  /** For `coSent`: how alike anchor and positive are, on any scale. */
  readonly grades?: readonly number[] | undefined;
  /**
   * 'exclude' (default): a candidate with the text of the anchor or its positive is no negative.
   * 'negatives': it is one, as in the published code of SimCSE and what follows it; texts are then
   * not compared at all, in `qwen3` neither.
   */
  readonly equalTexts?: EqualTexts | undefined;
  readonly referenceEmbeddings?: ForeignEmbeddings | undefined;
  readonly teacherEmbeddings?: ForeignEmbeddings | undefined;
  /** Per example: the score of its positive, then of each hard negative. */
  readonly teacherScores?: readonly (readonly number[])[] | undefined;
}

/** A batch as `ts/dataset` hands it on. */
export interface ExampleBatch {
  readonly step?: number | undefined;
  /** As in `GradientBatch`. */
  readonly exampleIds?: readonly number[] | Uint32Array | undefined;
  /** As in `GradientBatch`. */
  readonly equalTexts?: EqualTexts | undefined;
  readonly examples: readonly {
    /** What errors call it. */
    readonly id?: string | undefined;
    readonly anchor: string;
    readonly positive: string;
    readonly hardNegatives?: readonly string[] | undefined;
    /** Grade of the positive, and a teacher's score of it. */
    readonly positiveScore?: number | undefined;
    /** A teacher's score of each hard negative. */
    readonly negativeScore?: number | undefined;
    readonly group?: string | undefined;
  }[];
}

export interface AccumulateOptions {
  /** What dropout draws by. Default the batch's `step`, else the count of optimizer steps. */
  readonly step?: number | undefined;
  /** Most tokens in memory with a graph at once; the gradient is equal to rounding. Default: what 768 MB hold (8 GB on CUDA). */
  readonly chunkTokens?: number | undefined;
  /** Without dropout, whatever the model was loaded with. Default false. */
  readonly withoutDropout?: boolean | undefined;
  /** Factor of masked language modelling's loss; > 0 needs `mlm` at load. Default 0. */
  readonly mlmWeight?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LossValue {
  /** The weighted sum. */
  readonly loss: number;
  /** Each loss by its kind, unweighted; `mlm` where it has a weight. */
  readonly parts: Readonly<Record<string, number>>;
  /** Each example's share of the losses over examples. */
  readonly exampleLosses: Float64Array;
  /** Texts that were cut. */
  readonly truncated: number;
}
