/** Losses as the addon takes them: every field given (native/boundary/loss_spec.h). */
export type NativeLoss = { readonly weight: number } & (
  | {
      readonly kind: 'infoNce';
      readonly temperature: number;
      /** Whether `dLogTemperature` counts this term. */
      readonly learnsTemperature: boolean;
      readonly hardNegativeWeight: number;
      readonly symmetricWeight: number;
      readonly excludeAbove?: number | undefined;
      readonly excludeMargin?: number | undefined;
    }
  | { readonly kind: 'energyHinge' | 'triplet'; readonly margin: number }
  | {
      readonly kind: 'multiCsr';
      readonly temperature: number;
      readonly above: number;
      readonly zeroScore: boolean;
    }
  | {
      readonly kind: 'qwen3';
      readonly temperature: number;
      readonly margin: number;
      readonly otherHardNegatives: boolean;
    }
  | { readonly kind: 'coSent'; readonly temperature: number }
  | {
      readonly kind: 'distillation';
      readonly target: 'vectors' | 'similarities' | 'scores';
      readonly objective: 'mse' | 'kl';
      readonly temperature: number;
      readonly teacherTemperature: number;
    }
  | {
      readonly kind: 'matryoshka';
      readonly losses: readonly NativeLoss[];
      readonly sizes: Int32Array;
      readonly weights: Float64Array;
    }
);

/** What a loss may ask of a batch of n examples with h hard negatives, m = n + h candidates. */
export interface NativeLossInputs {
  /** [h] the example of each hard negative, never falling. */
  readonly owner?: Int32Array | undefined;
  /** [n + m] equal where classes are. */
  readonly groupIds?: Int32Array | undefined;
  /** [n + m] equal exactly where texts are. */
  readonly textIds?: Int32Array | undefined;
  /** [n] */
  readonly rowWeights?: Float64Array | undefined;
  /** [n] */
  readonly grades?: Float64Array | undefined;
  /** [m] */
  readonly teacherScores?: Float64Array | undefined;
  /** [n, width] */
  readonly referenceAnchors?: Float32Array | undefined;
  /** [m, width] */
  readonly referenceCandidates?: Float32Array | undefined;
  /** [n, width] */
  readonly teacherAnchors?: Float32Array | undefined;
  /** [m, width] */
  readonly teacherCandidates?: Float32Array | undefined;
}

/** Raw embeddings, rows of one width; all of one element type. */
export interface NativeLossEmbeddings<Numbers extends Float32Array | Float64Array> {
  readonly examples: number;
  readonly anchors: Numbers;
  readonly positives: Numbers;
  /** [h, width] with `NativeLossInputs.owner`. */
  readonly hardNegatives?: Numbers | undefined;
}

export interface NativeLossValue {
  readonly value: number;
  readonly parts: readonly (readonly [kind: string, value: number])[];
  readonly dLogTemperature: number;
  /** [n] each example's share of `value`. */
  readonly rowLosses: Float64Array;
}

/** Gradients of the embeddings, of their shapes. */
export interface NativeLossResult<
  Numbers extends Float32Array | Float64Array,
> extends NativeLossValue {
  readonly anchors: Numbers;
  readonly positives: Numbers;
  readonly hardNegatives?: Numbers;
}

/** 'fused' where a loss has such a form for float32 on this processor. */
export type NativeLossBackend = 'reference' | 'fused';
