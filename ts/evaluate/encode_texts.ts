import { SimgptError } from '../errors.js';
import type { SentenceEmbedOptions, SentenceEncoder } from '../encoder/sentence_encoder.js';

export interface EncodedTexts {
  /** [texts, dimensions] in the order of the texts. */
  readonly embeddings: Float32Array;
  readonly dimensions: number;
  /** Texts that were longer than the model's maximum. */
  readonly truncated: number;
}

// Enough texts of one length side by side to fill batches, few enough to report progress.
const textsPerCall = 2048;

/** The rows of distinct texts in the order in which they first occur. */
export function distinctRows(lists: Iterable<readonly string[]>): Map<string, number> {
  const rowOf = new Map<string, number>();
  for (const texts of lists) {
    for (const text of texts) {
      if (!rowOf.has(text)) {
        rowOf.set(text, rowOf.size);
      }
    }
  }
  return rowOf;
}

/** Embeds many texts, those of like length together: batches are fuller and progress is smoother. */
export async function encodeTexts(
  encoder: SentenceEncoder,
  texts: readonly string[],
  options: SentenceEmbedOptions,
  onProgress?: (done: number, total: number) => void,
): Promise<EncodedTexts> {
  const order = Array.from(texts.keys()).sort(
    (a, b) => texts[a]!.length - texts[b]!.length || a - b,
  );
  let embeddings = new Float32Array(0);
  let dimensions = 0;
  let truncated = 0;
  for (let start = 0; start < order.length; start += textsPerCall) {
    throwIfAborted(options.signal);
    const rows = order.slice(start, start + textsPerCall);
    const chunk = await encoder.embed(
      rows.map((row) => texts[row]!),
      options,
    );
    if (start === 0) {
      dimensions = chunk.shape[1];
      embeddings = new Float32Array(texts.length * dimensions);
    }
    for (const [i, row] of rows.entries()) {
      const values = chunk.embeddings.subarray(i * dimensions, (i + 1) * dimensions);
      embeddings.set(values, row * dimensions);
      truncated += chunk.truncated[i]!;
    }
    onProgress?.(start + rows.length, texts.length);
  }
  return { embeddings, dimensions, truncated };
}

/** Throws SimgptError `cancelled` once the signal has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new SimgptError('cancelled', 'evaluation was cancelled', { cause: signal.reason });
  }
}
