/** How the learning rate moves over a run (METHODS 1.6). */
export interface Schedule {
  readonly kind: 'linear' | 'cosine' | 'constant';
  /** Steps of linear rise from 0. */
  readonly warmupSteps: number;
}

/**
 * The learning rate of step t = 0 … T − 1: lr · t / T_w while t < T_w, then lr · (T − t) / (T − T_w)
 * for `linear`, lr · (1 + cos(π (t − T_w) / (T − T_w))) / 2 for `cosine`, lr for `constant`. Throws
 * RangeError where warm-up leaves no step, or the step is not one of the run's.
 */
export function learningRateAt(
  step: number,
  {
    schedule: { kind, warmupSteps },
    learningRate,
    totalSteps,
  }: { readonly schedule: Schedule; readonly learningRate: number; readonly totalSteps: number },
): number {
  if (!(Number.isSafeInteger(step) && step >= 0 && step < totalSteps)) {
    throw new RangeError(`expected step from 0 to ${totalSteps - 1}, received ${step}`);
  }
  if (warmupSteps >= totalSteps) {
    throw new RangeError(`expected warmupSteps < ${totalSteps} steps, received ${warmupSteps}`);
  }
  if (step < warmupSteps) return (learningRate * step) / warmupSteps;
  const decaySteps = totalSteps - warmupSteps;
  const decayed = (step - warmupSteps) / decaySteps;
  if (kind === 'linear') return (learningRate * (totalSteps - step)) / decaySteps;
  return kind === 'cosine' ? (learningRate * (1 + Math.cos(Math.PI * decayed))) / 2 : learningRate;
}

/** Steps of one epoch: the last, partial batch is a step too. */
export function stepsPerEpoch(rows: number, batchSize: number): number {
  return Math.ceil(rows / batchSize);
}

/** Steps of a whole run; `maxSteps` cuts it short. */
export function totalStepsOf(
  rows: number,
  settings: { readonly batchSize: number; readonly epochs: number },
  maxSteps?: number,
): number {
  const all = stepsPerEpoch(rows, settings.batchSize) * settings.epochs;
  return Math.min(all, maxSteps ?? all);
}
