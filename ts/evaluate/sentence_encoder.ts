/** What evaluation needs of a model: `Encoder` has it, and so does anything else that embeds. */
export interface SentenceEncoder {
  readonly embed: (
    texts: readonly string[],
    options: SentenceEmbedOptions,
  ) => Promise<SentenceEmbeddings>;
}

export interface SentenceEmbedOptions {
  /** Unit length or as the model leaves it; the model's own setting where absent. */
  readonly normalize?: boolean;
  /** Keep only so many leading dimensions. */
  readonly dimensions?: number;
  readonly batchTokens?: number;
  readonly prompt?: string;
  readonly signal?: AbortSignal;
}

export interface SentenceEmbeddings {
  /** [rows, dimensions], rows in the order of the texts. */
  readonly embeddings: Float32Array;
  readonly shape: readonly [rows: number, dimensions: number];
  /** [rows] 1 where a text was longer than the model's maximum. */
  readonly truncated: Uint8Array;
}
