import type { NativeStepOptions } from '../native_training.js';
import { optimize, sessionOf } from './session.js';
import type { TrainingSession } from './session.js';

/** AdamW, Loshchilov & Hutter 2019. */
export interface OptimizerOptions {
  /** Decoupled; never on biases and LayerNorm. >= 0, default 0. */
  readonly weightDecay?: number | undefined;
  /** Default 0.9. */
  readonly beta1?: number | undefined;
  /** Default 0.999. */
  readonly beta2?: number | undefined;
  /** Default 1e-8. */
  readonly epsilon?: number | undefined;
}

export interface StepOptions {
  /** >= 0. */
  readonly learningRate: number;
  /** Global norm the gradient is scaled down to; null or absent for none. */
  readonly maxGradNorm?: number | null | undefined;
  readonly signal?: AbortSignal | undefined;
}

function within(name: string, value: number, fits: boolean, range: string): number {
  if (fits) return value;
  throw new RangeError(`expected ${name} ${range}, received ${value}`);
}

function checkedOptions(options: OptimizerOptions) {
  const { weightDecay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const decays = weightDecay >= 0 && Number.isFinite(weightDecay);
  return {
    weightDecay: within('weightDecay', weightDecay, decays, '>= 0'),
    beta1: within('beta1', beta1, beta1 >= 0 && beta1 < 1, 'from 0 to below 1'),
    beta2: within('beta2', beta2, beta2 >= 0 && beta2 < 1, 'from 0 to below 1'),
    epsilon: within('epsilon', epsilon, epsilon > 0, '> 0'),
  };
}

/**
 * Updates what an encoder trains. One optimizer at a time belongs to an encoder, which keeps its
 * moments: `Encoder.saveTrainingState` writes both. Disposing it frees the moments.
 */
export class Optimizer implements AsyncDisposable {
  readonly #session: TrainingSession;
  readonly #options: Omit<NativeStepOptions, 'learningRate' | 'maxGradNorm'>;

  /** Throws TypeError for an encoder loaded without `trains`, RangeError for options out of range. */
  constructor(encoder: object, options: OptimizerOptions = {}) {
    this.#session = sessionOf(encoder);
    this.#options = checkedOptions(options);
  }

  /**
   * One step on the gradients accumulated since the last, which are then zero. Resolves to their
   * global norm before clipping. Rejects with `trainingDiverged`, naming the parameter and the
   * examples, where a gradient is not finite; nothing has changed then but that they are dropped.
   */
  async step(options: StepOptions): Promise<number> {
    const { learningRate, maxGradNorm, signal } = options;
    const finite = learningRate >= 0 && Number.isFinite(learningRate);
    within('learningRate', learningRate, finite, '>= 0');
    const norm = maxGradNorm ?? undefined;
    if (norm !== undefined) within('maxGradNorm', norm, norm > 0 && Number.isFinite(norm), '> 0');
    const all = { ...this.#options, learningRate, maxGradNorm: norm };
    return optimize(this.#session, all, signal);
  }

  async dispose(): Promise<void> {
    await this.#session.native.dropOptimizer().catch((error: unknown) => {
      // The encoder may have gone first, and the moments with it.
      if ((error as { code?: unknown }).code !== 'disposed') throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
