import { runJob } from '../native.js';
import type { NativeEncoder } from '../native.js';
import type { Checkpoint } from './checkpoint.js';
import { packTexts } from './pack.js';
import type { SentenceEmbeddings, SentenceEmbedOptions } from './sentence_encoder.js';

export interface EmbedOptions extends SentenceEmbedOptions {
  readonly onProgress?: ((progress: EmbedProgress) => void) | undefined;
}

export interface EmbedStreamOptions extends EmbedOptions {
  /** Texts per result, 1 to 65,536. Default 4,096. */
  readonly windowTexts?: number | undefined;
}

export interface EmbedProgress {
  /** Texts done. */
  readonly done: number;
  /** Texts in all. */
  readonly total: number;
}

/** `embeddings` is a Float64Array from the float64 reference. */
export interface EmbedResult extends SentenceEmbeddings {
  /** [rows] tokens that reached the model. */
  readonly tokenCounts: Int32Array;
  /** [rows] 1 where lone surrogates were replaced by U+FFFD. */
  readonly illFormed: Uint8Array;
}

/** Texts that are tokenised, sorted and computed together. */
const windowTextsMax = 65_536;

function promptPrefix(checkpoint: Checkpoint, options: EmbedOptions): string {
  if (options.promptText !== undefined) {
    if (options.prompt !== undefined) {
      throw new TypeError('expected prompt or promptText, received both');
    }
    return options.promptText;
  }
  const name = options.prompt ?? checkpoint.defaultPrompt;
  if (name === null) return '';
  const prompt = Object.hasOwn(checkpoint.prompts, name) ? checkpoint.prompts[name] : undefined;
  if (prompt === undefined) {
    const names = Object.keys(checkpoint.prompts).join(', ') || 'none: this model has no prompts';
    throw new RangeError(`expected prompt to be one of ${names}, received ${name}`);
  }
  return prompt;
}

function checkInteger(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new RangeError(`expected ${name} from ${least} to ${most}, received ${value}`);
}

function checkOptions(options: EmbedOptions, dimensions: number): void {
  checkInteger('dimensions', options.dimensions, 1, dimensions);
  checkInteger('batchTokens', options.batchTokens, 1, 2 ** 30);
}

async function embedWindow(
  native: Pick<NativeEncoder, 'embed'>,
  checkpoint: Checkpoint,
  texts: readonly string[],
  options: EmbedOptions,
  onProgress?: (done: number) => void,
): Promise<EmbedResult> {
  const { bytes, offsets, illFormed } = packTexts(texts, {
    prefix: promptPrefix(checkpoint, options),
    lowercase: checkpoint.lowercaseText,
  });
  const settings = {
    normalize: options.normalize ?? checkpoint.normalize,
    dimensions: options.dimensions ?? 0,
    batchTokens: options.batchTokens ?? 0,
  };
  const { tokenCounts, truncated, ...rest } = await runJob(options.signal, (token) =>
    native.embed(bytes, offsets, settings, token, onProgress),
  );
  const embeddings = rest.embeddings as Float32Array; // float64: the reference's alone
  const shape = [texts.length, embeddings.length / Math.max(texts.length, 1)] as const;
  return { embeddings, shape, tokenCounts, truncated, illFormed };
}

/** See `Encoder.embed`. */
export async function embedAll(
  native: Pick<NativeEncoder, 'embed'>,
  checkpoint: Checkpoint,
  dimensions: number,
  texts: readonly string[],
  options: EmbedOptions,
): Promise<EmbedResult> {
  if (!Array.isArray(texts)) throw new TypeError('expected texts to be an array of strings');
  checkOptions(options, dimensions);
  const total = texts.length;
  const report = (start: number) => (done: number) =>
    options.onProgress?.({ done: start + done, total });
  if (total <= windowTextsMax) {
    const result = await embedWindow(native, checkpoint, texts, options, report(0));
    return total > 0 ? result : { ...result, shape: [0, options.dimensions ?? dimensions] };
  }
  const width = options.dimensions ?? dimensions;
  const embeddings = new Float32Array(total * width);
  const tokenCounts = new Int32Array(total);
  const truncated = new Uint8Array(total);
  const illFormed = new Uint8Array(total);
  for (let start = 0; start < total; start += windowTextsMax) {
    const window = texts.slice(start, start + windowTextsMax);
    const part = await embedWindow(native, checkpoint, window, options, report(start));
    embeddings.set(part.embeddings, start * width);
    tokenCounts.set(part.tokenCounts, start);
    truncated.set(part.truncated, start);
    illFormed.set(part.illFormed, start);
  }
  return { embeddings, shape: [total, width], tokenCounts, truncated, illFormed };
}

async function* windows(
  texts: AsyncIterable<string> | Iterable<string>,
  size: number,
): AsyncGenerator<string[], void, undefined> {
  let window: string[] = [];
  for await (const text of texts) {
    window.push(text);
    if (window.length === size) {
      yield window;
      window = [];
    }
  }
  if (window.length > 0) yield window;
}

/** See `Encoder.embedStream`. */
export async function* embedWindows(
  native: Pick<NativeEncoder, 'embed'>,
  checkpoint: Checkpoint,
  dimensions: number,
  texts: AsyncIterable<string> | Iterable<string>,
  options: EmbedStreamOptions,
): AsyncGenerator<EmbedResult, void, undefined> {
  checkOptions(options, dimensions);
  const size = options.windowTexts ?? 4096;
  checkInteger('windowTexts', size, 1, windowTextsMax);
  let running: Promise<EmbedResult> | undefined;
  try {
    for await (const window of windows(texts, size)) {
      const previous = running;
      running = embedWindow(native, checkpoint, window, options);
      running.catch(() => {}); // reported where it is awaited
      if (previous !== undefined) yield await previous;
    }
    if (running !== undefined) yield await running;
  } finally {
    // The consumer may stop early: nothing of ours then runs on.
    await running?.catch(() => {});
  }
}
