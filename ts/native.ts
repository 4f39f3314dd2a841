import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { addonPath } from './addon_path.js';
import type { Checkpoint } from './encoder/checkpoint.js';
import { SimgptError } from './errors.js';
import type {
  NativeLoss,
  NativeLossBackend,
  NativeLossEmbeddings,
  NativeLossInputs,
  NativeLossResult,
  NativeParameter,
  NativeTraining,
  NativeTrainSpec,
} from './native_training.js';

/**
 * The addon as TypeScript sees it (native/addon.cc). One rule for errors: what is wrong with a call
 * is thrown by the call (misuse: `TypeError`, `RangeError`; a disposed handle: `SimgptError` with
 * code `disposed`); what goes wrong in a job rejects its promise. Both carry the caller's stack.
 */
export interface NativeBinding {
  buildInfo(): BuildInfo;
  cpuInfo(): CpuInfo;
  /** One count for LibTorch, OpenMP, MKL and our kernels, from the next job on; 1 to 1024. */
  setThreads(count: number): Promise<void>;
  /** Every job called with that token rejects with code `cancelled`; unknown tokens do nothing. */
  cancel(token: number): void;
  setErrorClass(errorClass: new (code: never, message: string) => Error): void;
  /** Reads and checks a safetensors header; no tensor data is read. */
  inspectSafetensors(path: string, token: number): Promise<NativeSafetensors>;
  /** One tensor as float32; float16 and bfloat16 are widened. */
  readTensor(path: string, name: string, token: number): Promise<Float32Array>;
  /**
   * Writes tensors of other files, renamed, in part or rounded, into one that replaces the target
   * whole or not at all. Rejects with `unsupported` for a value that float16 does not hold.
   */
  copySafetensors(
    target: string,
    sources: readonly NativeTensorSource[],
    token: number,
  ): Promise<void>;
  /** The weighted sum of losses and the gradient of every embedding; see native/loss/loss.h. */
  computeLoss<Numbers extends Float32Array | Float64Array>(
    losses: readonly NativeLoss[],
    embeddings: NativeLossEmbeddings<Numbers>,
    inputs: NativeLossInputs,
    backend: NativeLossBackend,
    token: number,
  ): Promise<NativeLossResult<Numbers>>;
  loadEncoder(spec: NativeEncoderSpec, token: number): Promise<NativeEncoder>;
  /** A model whose parameters train; precision float32, or float64 for comparisons. */
  loadTraining(
    spec: NativeEncoderSpec,
    training: NativeTrainSpec,
    token: number,
  ): Promise<NativeTrainingEncoder>;
  readonly NativeEncoder: abstract new (...args: never) => NativeEncoder;
  /** A tokenizer without a model. Rejects with `tokenizerInvalid`, `unsupported` or `fileNotFound`. */
  loadTokenizer(spec: NativeTokenizerSpec, token: number): Promise<NativeTokenizer>;
}

export interface NativeSafetensors {
  readonly fileBytes: number;
  readonly metadata: readonly (readonly [key: string, value: string])[];
  /** In the order of their data. */
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly bytes: number;
  }[];
}

export interface NativeTensorSource {
  readonly path: string;
  readonly tensors: readonly NativeTensorCopy[];
}

export interface NativeTensorCopy {
  readonly from: string;
  readonly to: string;
  /** Rows of the first dimension that are kept, in this order. Default all. */
  readonly rows?: Int32Array | undefined;
  /** Of floating-point tensors; float16 to the nearest, ties to even. Default as it is. */
  readonly dtype?: 'F32' | 'F16' | undefined;
}

export interface BuildInfo {
  readonly libtorch: string;
  readonly napiVersion: number;
  readonly compiler: string;
  /** Fingerprint of the sources and tools, as set-up computes it; empty in a build by hand. */
  readonly sourceHash: string;
}

export interface CpuInfo {
  readonly level: 'baseline' | 'avx2' | 'avx512';
  readonly avx2: boolean;
  readonly avx512: boolean;
  readonly vnni: boolean;
  readonly bf16: boolean;
  readonly amx: boolean;
  /** The processor's name for itself; empty where it has none. */
  readonly brand: string;
  /** Processors this process may run on. */
  readonly affinity: number;
  /** Processors' worth of time the cgroup grants; null where unlimited. */
  readonly quota: number | null;
  /** The thread count in force. */
  readonly threads: number;
}

export type NativeTokenizerSpec = Checkpoint['tokenizer'];

/** What an encoder is loaded from: the parts of a `Checkpoint` that it needs, and how to run it. */
export interface NativeEncoderSpec extends Pick<
  Checkpoint,
  'tokenizer' | 'weights' | 'pooling' | 'head' | 'dense' | 'deepPrompt' | 'maxTokens'
> {
  readonly config: Omit<
    Checkpoint['config'],
    'hiddenDropout' | 'attentionDropout' | 'initializerRange'
  >;
  readonly backend: 'reference' | 'cpu' | 'cuda';
  readonly precision: 'float32' | 'bfloat16' | 'float64';
}

export interface NativeEmbedOptions {
  /** Default true. */
  readonly normalize?: boolean;
  /** First dimensions kept; 0 (default) for all. */
  readonly dimensions?: number;
  /** Most tokens in one chunk; 0 (default): chosen by the processor cache. */
  readonly batchTokens?: number;
}

export interface NativeEmbedResult {
  /** [texts, dimensions], row-major; 64-bit only from the reference in float64. */
  readonly embeddings: Float32Array | Float64Array;
  /** [texts] tokens that reached the model. */
  readonly tokenCounts: Int32Array;
  /** [texts] 1 where the text was cut. */
  readonly truncated: Uint8Array;
}

export interface NativeTokens {
  readonly tokenIds: Int32Array;
  /** [texts + 1] starts, first 0, last the number of ids. */
  readonly cuSeqlens: Int32Array;
  /** [texts] tokens before truncation, specials included. */
  readonly fullLengths: Int32Array;
}

/** Called with texts done and texts in all; an exception it throws cancels the job and rejects it. */
export type NativeProgress = (done: number, total: number) => void;

/**
 * A loaded encoder. Inputs are copied when a method is called; `offsets` holds texts + 1 starts into
 * `texts` (UTF-8), first 0, last its length. Tokens name jobs for `cancel`; 0 for none.
 */
export interface NativeEncoder {
  embed(
    texts: Uint8Array,
    offsets: Float64Array | BigUint64Array,
    options: NativeEmbedOptions | undefined,
    token: number,
    onProgress?: NativeProgress,
  ): Promise<NativeEmbedResult>;
  embedTokens(
    tokenIds: Int32Array,
    cuSeqlens: Int32Array,
    options: NativeEmbedOptions | undefined,
    token: number,
    onProgress?: NativeProgress,
  ): Promise<NativeEmbedResult>;
  tokenize(
    texts: Uint8Array,
    offsets: Float64Array | BigUint64Array,
    options: { readonly truncate?: boolean; readonly addSpecialTokens?: boolean } | undefined,
    token: number,
  ): Promise<NativeTokens>;
  info(): {
    readonly dimensions: number;
    readonly memoryBytes: number;
    readonly maxTokens: number;
    readonly backend: 'reference' | 'cpu' | 'cuda';
    readonly precision: 'float32' | 'bfloat16' | 'float64';
  };
  /** Frees the weights after the jobs called before it; calls after it are refused. Twice is fine. */
  dispose(): Promise<void>;
}

/** A model in training embeds and tokenizes as an encoder does, with its weights as they are. */
export interface NativeTrainingEncoder
  extends NativeTraining, Pick<NativeEncoder, 'embed' | 'tokenize' | 'dispose'> {
  info(): Omit<ReturnType<NativeEncoder['info']>, 'memoryBytes'> & {
    readonly parameters: readonly NativeParameter[];
  };
}

export interface NativeTokenizeOptions {
  /** Specials included; default no limit. A longer text loses its end, not its specials. */
  readonly maxTokens?: number;
  /** Default true. */
  readonly addSpecialTokens?: boolean;
  /** 0 (default): the thread count in force. The result does not depend on it. */
  readonly threads?: number;
}

/** A loaded tokenizer: ids equal to those of `tokenizers` 0.23. Inputs as for `NativeEncoder`. */
export interface NativeTokenizer {
  tokenize(
    texts: Uint8Array,
    offsets: Float64Array | BigUint64Array,
    options: NativeTokenizeOptions | undefined,
    token: number,
  ): Promise<NativeTokens>;
  tokenToId(token: string): number | undefined;
  info(): {
    /** Tokens, added ones included. */
    readonly vocabSize: number;
    /** The largest id: an embedding table needs one row more. */
    readonly maxId: number;
    /** Ids put around each text. */
    readonly specialCount: number;
    readonly memoryBytes: number;
  };
  dispose(): Promise<void>;
}

const require = createRequire(import.meta.url);
let loaded: NativeBinding | undefined;

function load(): NativeBinding {
  const path = addonPath();
  if (!existsSync(path)) {
    throw new SimgptError(
      'addonMissing',
      'the native addon is not built: run `npm run setup` in a clone, ' +
        'or `npx simgpt setup` where simgpt is a dependency',
    );
  }
  try {
    const binding = require(path) as NativeBinding;
    binding.setErrorClass(SimgptError);
    return binding;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new SimgptError(
      'addonMissing',
      `the native addon cannot be loaded (${reason}): run \`npx simgpt setup\` to build it anew`,
      { cause },
    );
  }
}

/**
 * The addon, loaded at the first call.
 * @throws SimgptError `addonMissing` where it is not built or does not load.
 */
export function native(): NativeBinding {
  loaded ??= load();
  return loaded;
}

let lastToken = 0;

/**
 * Runs one native job under an `AbortSignal`: `start` gets the token that names the job and calls it
 * at once. A signal already aborted rejects without calling it.
 * @throws SimgptError `cancelled`, its cause the signal's reason.
 */
export async function runJob<T>(
  signal: AbortSignal | undefined,
  start: (token: number) => Promise<T>,
  binding: Pick<NativeBinding, 'cancel'> = native(),
): Promise<T> {
  if (signal === undefined) return start(0);
  if (signal.aborted) throw cancelled(signal);
  const token = ++lastToken;
  const onAbort = (): void => binding.cancel(token);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await start(token);
  } catch (error) {
    if (error instanceof SimgptError && error.code === 'cancelled' && signal.aborted) {
      Object.defineProperty(error, 'cause', {
        value: signal.reason,
        configurable: true,
        writable: true,
      });
    }
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function cancelled(signal: AbortSignal): SimgptError {
  return new SimgptError('cancelled', 'the job was cancelled', { cause: signal.reason });
}
