/** What stages after the encoder need of a model: `Encoder` has it, and so may anything else. */
export interface SentenceEncoder {
  readonly embed: (
    texts: readonly string[],
    options?: SentenceEmbedOptions,
  ) => Promise<SentenceEmbeddings>;
}

export interface SentenceEmbedOptions {
  /** Unit length (cosine is then a dot product); default what the model's folder says. */
  readonly normalize?: boolean | undefined;
  /** Keep only so many leading dimensions, for models trained for it; renormalised. */
  readonly dimensions?: number | undefined;
  /** Most tokens computed at once by a thread; default by the processor's cache. */
  readonly batchTokens?: number | undefined;
  /** Name of one of the model's prompts; default its default prompt. */
  readonly prompt?: string | undefined;
  /** The text to put before every text instead; empty for none. */
  readonly promptText?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SentenceEmbeddings {
  /** [rows, dimensions], row-major, rows in the order of the texts. */
  readonly embeddings: Float32Array;
  readonly shape: readonly [rows: number, dimensions: number];
  /** [rows] 1 where a text was longer than the model's maximum and was cut. */
  readonly truncated: Uint8Array;
}
