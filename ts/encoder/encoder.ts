import { SimgptError } from '../errors.js';
import { native, runJob } from '../native.js';
import type { NativeEncoder, NativeTrainingEncoder } from '../native.js';
import type {
  AccumulateOptions,
  ExampleBatch,
  GradientBatch,
  Loss,
  LossValue,
} from '../train/loss.js';
import { accumulate, registerSession, saveSession, sessionOf } from '../train/session.js';
import { roomFor, trainingPrecision, trainSpecOf } from '../train/training_options.js';
import type { TrainingOptions, Trains } from '../train/training_options.js';
import { readCheckpoint } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { embedAll, embedWindows } from './embed.js';
import type { EmbedOptions, EmbedResult, EmbedStreamOptions } from './embed.js';
import type { ExportDtype } from './export.js';
import { resolveModel } from './hub.js';
import { packTexts } from './pack.js';
import type { Head, Pooling } from './pooling.js';

export type Device = 'cpu' | 'cuda';
export type Precision = 'float32' | 'bfloat16' | 'float64';

export interface LoadOptions extends TrainingOptions {
  /**
   * What is trained; absent: nothing, and the encoder is faster. Training runs in float32, on CUDA
   * with products in bfloat16, and in float64 for comparisons ({@link TrainingCompute}); a head
   * 'mlp' that the model lacks is drawn anew.
   */
  readonly trains?: Trains | undefined;
  /** Default 'cpu'. 'cuda' needs the CUDA plugin; there is no fallback. */
  readonly device?: Device | undefined;
  /**
   * Default 'auto': bfloat16 on CUDA and on processors with bfloat16 instructions, else float32.
   * 'float64' is for the reference backend.
   */
  readonly precision?: Precision | 'auto' | undefined;
  /** 'reference' is slow, padded and plain: the oracle of the tests. Default 'fast'. */
  readonly backend?: 'fast' | 'reference' | undefined;
  /** Processors to use, for the whole process; default `SIMGPT_THREADS`, else all allowed ones. */
  readonly threads?: number | undefined;
  /** Needed for a plain Hugging Face folder; overrides what the model's folder says. */
  readonly pooling?: Pooling | readonly Pooling[] | undefined;
  readonly head?: Head | undefined;
  /** Cut texts at fewer tokens than the model allows, special ones included: 3 or more (D13). */
  readonly maxTokens?: number | undefined;
  /** Branch, tag or commit of a hub model. */
  readonly revision?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SaveOptions extends SignalOptions {
  /** How the weights are stored. Default float32. */
  readonly dtype?: ExportDtype | undefined;
}

export interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How texts are cut into ids; see {@link Encoder.tokenize}. */
export interface TokenizeOptions {
  /** Cut at the model's maximum. Default true. */
  readonly truncate?: boolean | undefined;
  /** Add what the model's template adds ([CLS] … [SEP]). Default true. */
  readonly addSpecialTokens?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Packed ids: text i holds `tokenIds[cuSeqlens[i]]` up to `tokenIds[cuSeqlens[i + 1]]`. */
export interface TokenizedTexts {
  readonly tokenIds: Int32Array;
  /** [texts + 1], first 0. */
  readonly cuSeqlens: Int32Array;
}

function choosePrecision(options: LoadOptions): Precision {
  const asked = options.precision ?? 'auto';
  if (options.backend === 'reference') {
    if (asked === 'bfloat16') {
      throw new RangeError(
        "expected precision 'float32' or 'float64' for the reference, received 'bfloat16'",
      );
    }
    return asked === 'auto' ? 'float32' : asked;
  }
  if (asked === 'float64') {
    throw new RangeError("expected precision 'float32' or 'bfloat16', received 'float64'");
  }
  const { bf16, amx } = native().cpuInfo();
  const fastBfloat16 = options.device === 'cuda' || bf16 || amx;
  if (asked === 'auto') return fastBfloat16 ? 'bfloat16' : 'float32';
  if (asked === 'bfloat16' && !fastBfloat16) {
    throw new SimgptError(
      'unsupported',
      'precision bfloat16 needs a processor with bfloat16 instructions (AVX512-BF16 or AMX); ' +
        'this one has none: use float32',
    );
  }
  return asked;
}

function chooseMaxTokens({ maxTokens }: Checkpoint, asked: number | undefined): number {
  if (asked === undefined) return maxTokens;
  if (Number.isInteger(asked) && asked >= 3 && asked <= maxTokens) return asked;
  throw new RangeError(
    `expected maxTokens to be an integer from 3 to ${maxTokens}, received ${asked}`,
  );
}

/**
 * A text-embedding model. Every method is a job on the addon's own thread, in call order; the event
 * loop never waits. Dispose it, or declare it with `await using`.
 */
export class Encoder implements AsyncDisposable {
  readonly checkpoint: Checkpoint;
  /** Length of an embedding. */
  readonly dimensions: number;
  readonly device: Device;
  readonly precision: Precision;
  readonly #native: Pick<NativeEncoder, 'embed' | 'tokenize' | 'dispose'>;

  private constructor(
    checkpoint: Checkpoint,
    handle: NativeEncoder | NativeTrainingEncoder,
    device: Device,
  ) {
    const { dimensions, precision } = handle.info();
    this.checkpoint = checkpoint;
    this.dimensions = dimensions;
    this.device = device;
    this.precision = precision;
    this.#native = handle;
  }

  /**
   * Loads a model folder, or a hub id through the cache (downloaded where it is not there). Checks
   * every file, then that two probe texts give one vector alone and together. Throws `SimgptError`
   * naming the file and field that is wrong.
   */
  static async load(pathOrId: string, options: LoadOptions = {}): Promise<Encoder> {
    const { signal, device = 'cpu' } = options;
    const { trains } = options;
    const precision = trains === undefined ? choosePrecision(options) : trainingPrecision(options);
    const model = await resolveModel(pathOrId, { revision: options.revision, signal });
    const found = await readCheckpoint(model.dir, {
      pooling: options.pooling,
      head: options.head,
      id: model.id,
      revision: model.revision,
    });
    const checkpoint = { ...found, maxTokens: chooseMaxTokens(found, options.maxTokens) };
    if (options.threads !== undefined) await native().setThreads(options.threads);
    const { config, tokenizer, weights, pooling, head, dense, deepPrompt } = checkpoint;
    const maxTokens = trains === undefined ? checkpoint.maxTokens : roomFor(checkpoint, trains);
    const backend = options.backend === 'reference' ? 'reference' : device;
    const spec = {
      config,
      tokenizer,
      weights,
      pooling,
      head,
      dense,
      deepPrompt,
      maxTokens,
      backend,
      precision,
    } as const;
    if (trains !== undefined) {
      const training = await trainSpecOf(checkpoint, trains, options);
      const handle = await runJob(signal, (token) => native().loadTraining(spec, training, token));
      const encoder = new Encoder(checkpoint, handle, device);
      const { trainingTokens, testHead = 'asTrained' } = options;
      const begin = { waiting: [], step: undefined };
      registerSession(encoder, {
        native: handle,
        checkpoint,
        trains,
        trainingTokens,
        testHead,
        ...begin,
      });
      return encoder;
    }
    const loaded = await runJob(signal, (token) => native().loadEncoder(spec, token));
    return new Encoder(checkpoint, loaded, device);
  }

  /** Most tokens of a text, special ones included; longer texts are cut and flagged. */
  get maxTokens(): number {
    return this.checkpoint.maxTokens;
  }

  /**
   * Embeds texts; rows come in input order. The same text gives the same vector alone and in any
   * batch (float32: within 1e-5). Throws RangeError for a text over 4 MB, an unknown prompt or
   * dimensions out of range, `SimgptError` `cancelled` when the signal aborts.
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<EmbedResult> {
    return embedAll(this.#native, this.checkpoint, this.dimensions, texts, options);
  }

  /**
   * Embeds a stream of texts at flat memory: one result per window of `windowTexts` texts, in
   * order. The next window is read while one is computed.
   */
  embedStream(
    texts: AsyncIterable<string> | Iterable<string>,
    options: EmbedStreamOptions = {},
  ): AsyncGenerator<EmbedResult, void, undefined> {
    return embedWindows(this.#native, this.checkpoint, this.dimensions, texts, options);
  }

  /** The token ids of texts, packed. No prompt is added. */
  async tokenize(texts: readonly string[], options: TokenizeOptions = {}): Promise<TokenizedTexts> {
    const { tokenIds, cuSeqlens } = await this.#tokenize(texts, options);
    return { tokenIds, cuSeqlens };
  }

  /** Tokens of each text before truncation, special tokens included. */
  async countTokens(texts: readonly string[], options: SignalOptions = {}): Promise<Int32Array> {
    return (await this.#tokenize(texts, options)).fullLengths;
  }

  /**
   * Adds the gradient of the losses of one batch to what an `Optimizer` steps on. Memory is bounded
   * whatever the batch; the negatives are the whole batch's. Needs `trains` at load. Rejects with
   * `trainingDiverged`, naming the examples, where embeddings or loss are not finite. After a
   * call that rejects, cancelled or not, every gradient since the last step may be gone.
   */
  async accumulateGradients(
    batch: GradientBatch | ExampleBatch,
    losses: Loss | readonly Loss[],
    options: AccumulateOptions = {},
  ): Promise<LossValue> {
    return accumulate(sessionOf(this), batch, losses, options);
  }

  /** Writes what is trained and the optimizer's moments to a file, whole or not at all. */
  async saveTrainingState(path: string, options: SignalOptions = {}): Promise<void> {
    const session = sessionOf(this);
    await runJob(options.signal, (token) => session.native.saveState(path, token));
  }

  /**
   * Goes on from such a file: the same steps then give the same bits. Rejects with `fileInvalid`
   * where it is not of this model and these `trains`; nothing has changed then.
   */
  async loadTrainingState(path: string, options: SignalOptions = {}): Promise<void> {
    const session = sessionOf(this);
    await runJob(options.signal, (token) => session.native.loadState(path, token));
    session.waiting = [];
  }

  /**
   * Writes the model as a sentence-transformers folder that Python and `Encoder.load` read: with
   * LoRA merged and kept apart in `adapter/`. Python does not read a deep prompt, which is in
   * `deep_prompt.safetensors`, and refuses a pooling over two layers, which `simgpt.json` states.
   * Throws `outputExists` where `dir` is there, `unsupported` for values that the asked `dtype` does
   * not hold.
   */
  async save(dir: string, options: SaveOptions = {}): Promise<void> {
    await saveSession(sessionOf(this), dir, options);
  }

  /** Frees the model once the jobs called before have ended. Disposing twice is fine. */
  async dispose(): Promise<void> {
    await this.#native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #tokenize(texts: readonly string[], options: TokenizeOptions) {
    const { bytes, offsets } = packTexts(texts, { lowercase: this.checkpoint.lowercaseText });
    const { truncate = true, addSpecialTokens = true } = options;
    return runJob(options.signal, (token) =>
      this.#native.tokenize(bytes, offsets, { truncate, addSpecialTokens }, token),
    );
  }
}
