import type { Checkpoint } from '../encoder/checkpoint.js';
import { inspectSafetensors } from '../encoder/safetensors.js';
import { SimgptError } from '../errors.js';
import { native } from '../native.js';
import type { NativeTrainSpec } from '../native_training.js';

/** Which parameters are trained (METHODS 1.5). */
export type Trains =
  | { readonly kind: 'all' }
  /** Biases alone: Ben Zaken et al. 2022. */
  | { readonly kind: 'bitFit' }
  /** The head alone. */
  | { readonly kind: 'head' }
  /** Keys and values before those of the text in every layer: Liu et al. 2022, Jiang et al. 2022. */
  | {
      readonly kind: 'deepPrompt';
      /** Rows of the prompt. */
      readonly length: number;
      /** Through a hidden layer of 512 with tanh. Default false. */
      readonly reparameterized?: boolean | undefined;
    }
  /** Low-rank additions to all linear layers: Hu et al. 2022. Default rank 16, alpha 2 rank. */
  | {
      readonly kind: 'lora';
      readonly rank?: number | undefined;
      readonly alpha?: number | undefined;
    };

/** What `Encoder.load` takes beside `trains`. */
export interface TrainingOptions {
  /** Default the model's config; 0 for none. */
  readonly dropout?:
    | { readonly hidden?: number | undefined; readonly attention?: number | undefined }
    | undefined;
  /** Of dropout and of what is drawn anew. An integer from 0 to 2^53 - 1, default 0. */
  readonly seed?: number | undefined;
  /** 'none': `embed` and `save` leave the trained head out (METHODS 1.3). Default 'asTrained'. */
  readonly testHead?: 'asTrained' | 'none' | undefined;
  /** Most tokens of a text in training, special ones included. Default the model's maximum. */
  readonly trainingTokens?: number | undefined;
  /** Masked language modelling as an auxiliary loss: the share of tokens chosen. Default none. */
  readonly mlm?: { readonly rate: number } | undefined;
}

/** Where and in which numbers a model is trained. */
export interface TrainingCompute {
  /** Default 'cpu'. */
  readonly device?: 'cpu' | 'cuda' | undefined;
  /**
   * 'fast' (default) is our packed kernels on the CPU. 'reference' is plain operators there: what
   * device 'cuda' runs, with the same dropout masks, and much slower.
   */
  readonly backend?: 'fast' | 'reference' | undefined;
  /**
   * Default 'auto': float32 on the CPU, bfloat16 on CUDA. With bfloat16 the matrix products are
   * bfloat16, everything else and the weights float32; not on the CPU's fast backend.
   */
  readonly precision?: 'auto' | 'float32' | 'bfloat16' | 'float64' | undefined;
}

/** The precision that is meant. Throws `unsupported` for what no training backend computes in. */
export function trainingPrecision(options: TrainingCompute): 'float32' | 'bfloat16' | 'float64' {
  const { device = 'cpu', backend = 'fast', precision = 'auto' } = options;
  if (device === 'cuda' && backend === 'reference') {
    throw new SimgptError('unsupported', "expected backend 'fast' on cuda, received 'reference'");
  }
  if (device === 'cpu' && backend === 'fast' && precision === 'bfloat16') {
    throw new SimgptError(
      'unsupported',
      "expected precision 'float32' or 'float64' in training on the CPU, received 'bfloat16': " +
        "it is for device 'cuda' and for backend 'reference'",
    );
  }
  if (precision === 'auto') return device === 'cuda' ? 'bfloat16' : 'float32';
  return precision;
}

/** Width of the prompt's reparameterisation (METHODS 1.5). */
const promptProjection = 512;

function integer(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`expected ${name} from ${least} to ${most}, received ${value}`);
}

function share(name: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new RangeError(`expected ${name} from 0 to below 1, received ${value}`);
}

/** Rank and alpha of LoRA with their defaults: 16, as E5 has it, and twice the rank [own]. */
export function loraSize({
  rank = 16,
  alpha = 2 * rank,
}: {
  readonly rank?: number | undefined;
  readonly alpha?: number | undefined;
}) {
  return { rank, alpha };
}

function adapterOf(trains: Trains) {
  const size = loraSize({});
  const none = { promptLength: 0, promptProjection: 0, loraRank: size.rank, loraAlpha: size.alpha };
  if (trains.kind === 'deepPrompt') {
    return {
      ...none,
      promptLength: integer('trains.length', trains.length, 1, 256),
      promptProjection: trains.reparameterized === true ? promptProjection : 0,
    };
  }
  if (trains.kind !== 'lora') return none;
  const { rank, alpha: loraAlpha } = loraSize(trains);
  const loraRank = integer('trains.rank', rank, 1, 1024);
  if (!(loraAlpha > 0)) throw new RangeError(`expected trains.alpha > 0, received ${loraAlpha}`);
  return { ...none, loraRank, loraAlpha };
}

async function holdsMlpHead(checkpoint: Checkpoint): Promise<boolean> {
  for (const path of checkpoint.weights) {
    const { tensors } = await inspectSafetensors(path);
    if (tensors.some(({ name }) => name.endsWith('mlp.dense.weight'))) return true;
  }
  return false;
}

/** The ids that masking puts in and leaves alone. Throws RangeError where there is no mask token. */
async function maskingOf(checkpoint: Checkpoint, rate: number) {
  if (!(rate > 0 && rate <= 1)) {
    throw new RangeError(`expected mlm.rate above 0 to 1, received ${rate}`);
  }
  const tokenizer = await native().loadTokenizer(checkpoint.tokenizer, 0);
  try {
    const ids = (names: readonly string[]): number[] =>
      names.flatMap((name) => tokenizer.tokenToId(name) ?? []);
    const [maskTokenId] = ids(['[MASK]', '<mask>']);
    if (maskTokenId === undefined) {
      throw new RangeError(`expected a tokenizer with a mask token for mlm: ${checkpoint.dir}`);
    }
    const names = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '<s>', '<pad>', '</s>', '<unk>'];
    return { maskRate: rate, maskTokenId, specialIds: Int32Array.of(maskTokenId, ...ids(names)) };
  } finally {
    await tokenizer.dispose();
  }
}

/** Most tokens of a text beside the rows of a deep prompt, which take the first positions. */
export function roomFor({ config, maxTokens }: Checkpoint, trains: Trains): number {
  if (trains.kind !== 'deepPrompt') return maxTokens;
  const room = config.maxPositions - config.positionOffset - trains.length;
  if (room < 1) {
    throw new RangeError(
      `expected trains.length below ${room + trains.length}, the model's positions, received ` +
        String(trains.length),
    );
  }
  return Math.min(maxTokens, room);
}

/** What the addon needs to train a checkpoint. Throws RangeError for a value out of range. */
export async function trainSpecOf(
  checkpoint: Checkpoint,
  trains: Trains,
  options: TrainingOptions,
): Promise<NativeTrainSpec> {
  const { config, head } = checkpoint;
  const { dropout = {}, seed = 0, mlm } = options;
  return {
    ...adapterOf(trains),
    trains: trains.kind,
    freshHead: head === 'mlp' && !(await holdsMlpHead(checkpoint)),
    headWhenEvaluating: options.testHead !== 'none',
    initializerRange: config.initializerRange,
    hiddenDropout: share('dropout.hidden', dropout.hidden ?? config.hiddenDropout),
    attentionDropout: share('dropout.attention', dropout.attention ?? config.attentionDropout),
    mlm: mlm === undefined ? undefined : await maskingOf(checkpoint, mlm.rate),
    seed: integer('seed', seed, 0, Number.MAX_SAFE_INTEGER),
  };
}
