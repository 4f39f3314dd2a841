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

/** What is trained and how it begins (native/train/trainable.h: TrainSpec). */
export interface NativeTrainSpec {
  readonly trains: 'all' | 'bitFit' | 'deepPrompt' | 'lora' | 'head';
  /** Draw the mlp head anew instead of reading it. */
  readonly freshHead: boolean;
  readonly headWhenEvaluating: boolean;
  readonly initializerRange: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly promptLength: number;
  /** Width of the prompt's reparameterisation, 0: none. */
  readonly promptProjection: number;
  readonly loraRank: number;
  readonly loraAlpha: number;
  readonly mlm?:
    | { readonly maskRate: number; readonly maskTokenId: number; readonly specialIds: Int32Array }
    | undefined;
  /** Of dropout and of what is drawn anew. */
  readonly seed: number;
}

export interface NativeAccumulateRequest {
  readonly examples: number;
  /** [examples] bits of unsigned integers that dropout draws by. */
  readonly exampleIds: Int32Array;
  readonly losses: readonly NativeLoss[];
  readonly inputs: NativeLossInputs;
  readonly learnedTemperature?: { readonly initial: number; readonly lowest: number } | undefined;
  /** Default the optimizer's count of steps. */
  readonly step?: number | undefined;
  readonly dropout: boolean;
  /** Most tokens of a text in training; 0: the model's maximum. */
  readonly maxTokens: number;
  /** 0: by memory. */
  readonly chunkTokens: number;
  readonly mlmWeight: number;
}

export interface NativeExampleRequest extends Pick<
  NativeAccumulateRequest,
  'examples' | 'exampleIds' | 'maxTokens'
> {
  /** [hard negatives] the example of each, never falling. */
  readonly owner?: Int32Array | undefined;
  readonly step: number;
}

export type NativeAccumulateResult =
  | (NativeLossValue & {
      readonly mlmLoss: number;
      /** Texts that were cut. */
      readonly truncated: number;
      readonly chunks: number;
      readonly notFinite?: undefined;
    })
  | {
      /** Places of the examples it was found in; the gradients are zero then. */
      readonly notFinite: { readonly tensor: string; readonly examples: readonly number[] };
    };

export interface NativeStepOptions {
  readonly learningRate: number;
  readonly maxGradNorm?: number | undefined;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export interface NativeParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
  readonly decays: boolean;
}

/** A model in training. Texts as for `NativeEncoder`: anchors, positives, then hard negatives. */
export interface NativeTraining {
  accumulate(
    texts: Uint8Array,
    offsets: Float64Array | BigUint64Array,
    request: NativeAccumulateRequest,
    token: number,
  ): Promise<NativeAccumulateResult>;
  /** [texts, dimensions] with dropout, as `accumulate` sees the same examples at that step. */
  embedExamples(
    texts: Uint8Array,
    offsets: Float64Array | BigUint64Array,
    request: NativeExampleRequest,
    token: number,
  ): Promise<Float32Array | Float64Array>;
  /** `notFinite`: a parameter whose gradient holds NaN or infinity; nothing was changed then. */
  step(
    options: NativeStepOptions,
    token: number,
  ): Promise<{ readonly gradNorm: number; readonly notFinite?: string }>;
  /** Frees the moments; the next step begins anew. */
  dropOptimizer(): Promise<void>;
  /** Trainable parameters, moments and counters, in a file that appears whole or not at all. */
  saveState(path: string, token: number): Promise<void>;
  /** Rejects with `fileInvalid` where the file is not of this model; nothing has changed then. */
  loadState(path: string, token: number): Promise<void>;
  /**
   * Checkpoint tensors (LoRA merged), or those of the adapter; those that begin with `prefix`,
   * without it.
   */
  saveTensors(
    path: string,
    which: 'weights' | 'adapter',
    prefix: string,
    token: number,
  ): Promise<void>;
  /** The values of one parameter. */
  parameter(name: string, token: number): Promise<Float32Array | Float64Array>;
  progress(): Promise<{
    readonly steps: number;
    /** The learned temperature; NaN where none is. */
    readonly temperature: number;
    readonly memoryBytes: number;
  }>;
}
