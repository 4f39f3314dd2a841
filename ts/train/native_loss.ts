import type { NativeLoss } from '../native_training.js';
import { plainLosses } from './loss.js';
import type {
  DistillationLoss,
  FalseNegativeExclusion,
  InfoNceLoss,
  Loss,
  MatryoshkaLoss,
} from './loss.js';

const lowestTemperature = 0.01;
const kinds =
  'infoNce, energyHinge, multiCsr, qwen3, coSent, triplet, distillation, matryoshka' as const;

function positive(name: string, value: number | undefined, fallback: number): number {
  const given = value ?? fallback;
  if (!(given > 0 && Number.isFinite(given))) {
    throw new RangeError(`expected ${name} > 0, received ${given}`);
  }
  return given;
}

function finite(name: string, value: number | undefined, fallback: number): number {
  const given = value ?? fallback;
  if (!Number.isFinite(given)) throw new RangeError(`expected ${name} finite, received ${given}`);
  return given;
}

function atLeastZero(name: string, value: number | undefined, fallback: number): number {
  const given = finite(name, value, fallback);
  if (given < 0) throw new RangeError(`expected ${name} >= 0, received ${given}`);
  return given;
}

function cosine(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (value >= -1 && value <= 1)) return value;
  throw new RangeError(`expected ${name} from -1 to 1, received ${value}`);
}

/** A temperature that is trained: where it starts and how low it may go. */
export interface LearnedTemperature {
  readonly initial: number;
  readonly lowest: number;
}

/** The learned temperature of a list of losses. Throws RangeError where they differ. */
export function learnedTemperature(losses: readonly Loss[]): LearnedTemperature | undefined {
  let found: LearnedTemperature | undefined;
  for (const loss of plainLosses(losses)) {
    if (loss.kind !== 'infoNce' || typeof loss.temperature !== 'object') continue;
    const initial = positive('temperature.initial', loss.temperature.initial, 1);
    const lowest = positive('temperature.lowest', loss.temperature.lowest, lowestTemperature);
    if (lowest > initial) {
      throw new RangeError(`expected temperature.initial >= ${lowest}, received ${initial}`);
    }
    if (found !== undefined && (found.initial !== initial || found.lowest !== lowest)) {
      throw new RangeError('expected one learned temperature for all losses, received several');
    }
    found = { initial, lowest };
  }
  return found;
}

function exclusionBounds(exclusion: FalseNegativeExclusion | undefined) {
  if (exclusion === undefined) return {};
  if (exclusion.above === undefined && exclusion.margin === undefined) {
    throw new RangeError('expected excludeFalseNegatives.above or .margin, received neither');
  }
  return {
    excludeAbove: cosine('excludeFalseNegatives.above', exclusion.above),
    excludeMargin:
      exclusion.margin === undefined
        ? undefined
        : atLeastZero('excludeFalseNegatives.margin', exclusion.margin, 0),
  };
}

function nativeInfoNce(loss: InfoNceLoss) {
  const learned = typeof loss.temperature === 'object';
  const fixed = typeof loss.temperature === 'object' ? undefined : loss.temperature;
  return {
    kind: 'infoNce',
    temperature: learnedTemperature([loss])?.initial ?? positive('temperature', fixed, 0.05),
    learnsTemperature: learned,
    hardNegativeWeight: finite('hardNegativeWeight', loss.hardNegativeWeight, 0),
    symmetricWeight: atLeastZero('symmetricWeight', loss.symmetricWeight, 0),
    ...exclusionBounds(loss.excludeFalseNegatives),
  } as const;
}

function nativeDistillation(loss: DistillationLoss) {
  const { kind, target = 'vectors', objective = 'mse' } = loss;
  if (target === 'vectors' && objective === 'kl') {
    throw new RangeError(
      "expected objective 'mse' with target 'vectors', or target 'similarities', received 'kl'",
    );
  }
  const temperature = positive('temperature', loss.temperature, 0.05);
  const teacherTemperature = positive('teacherTemperature', loss.teacherTemperature, temperature);
  return { kind, target, objective, temperature, teacherTemperature } as const;
}

function nativeMatryoshka(loss: MatryoshkaLoss) {
  const { sizes, weights = sizes.map(() => 1) } = loss;
  if (sizes.length === 0 || loss.losses.length === 0) {
    throw new RangeError('expected matryoshka to have losses and sizes, received none');
  }
  if (sizes.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new RangeError(
      `expected matryoshka sizes of integers >= 1, received ${sizes.join(', ')}`,
    );
  }
  if (new Set(sizes).size !== sizes.length) {
    throw new RangeError(`expected each matryoshka size once, received ${sizes.join(', ')}`);
  }
  if (weights.length !== sizes.length) {
    throw new RangeError(
      `expected ${sizes.length} matryoshka weights, one per size, received ${weights.length}`,
    );
  }
  return {
    kind: 'matryoshka',
    losses: toNativeLosses(loss.losses),
    sizes: Int32Array.from(sizes),
    weights: Float64Array.from(weights, (weight) => positive('matryoshka weight', weight, 1)),
  } as const;
}

function toNative(loss: Loss) {
  switch (loss.kind) {
    case 'infoNce':
      return nativeInfoNce(loss);
    case 'energyHinge':
    case 'triplet':
      return { kind: loss.kind, margin: atLeastZero('margin', loss.margin, 0.2) } as const;
    case 'multiCsr':
      return {
        kind: loss.kind,
        temperature: positive('temperature', loss.temperature, 0.05),
        above: cosine('above', loss.above) ?? 0.95,
        zeroScore: loss.masked === 'zeroScore',
      } as const;
    case 'qwen3':
      return {
        kind: loss.kind,
        temperature: positive('temperature', loss.temperature, 0.02),
        margin: atLeastZero('margin', loss.margin, 0.1),
        otherHardNegatives: loss.otherHardNegatives ?? false,
      } as const;
    case 'coSent':
      return {
        kind: loss.kind,
        temperature: positive('temperature', loss.temperature, 0.05),
      } as const;
    case 'distillation':
      return nativeDistillation(loss);
    case 'matryoshka':
      return nativeMatryoshka(loss);
    default: {
      const { kind } = loss satisfies never as { readonly kind: unknown };
      throw new RangeError(`expected loss.kind to be one of ${kinds}, received ${String(kind)}`);
    }
  }
}

/** Losses with every default filled in. Throws RangeError for a value out of range. */
export function toNativeLosses(losses: Loss | readonly Loss[]): readonly NativeLoss[] {
  const list: readonly Loss[] = Array.isArray(losses) ? losses : [losses as Loss];
  if (list.length === 0) throw new RangeError('expected at least one loss, received none');
  for (const loss of list as readonly unknown[]) {
    if (typeof loss === 'object' && loss !== null && 'kind' in loss) continue;
    throw new TypeError(`expected a loss with a kind out of ${kinds}, received ${typeof loss}`);
  }
  return list.map((loss) => ({ ...toNative(loss), weight: positive('weight', loss.weight, 1) }));
}
