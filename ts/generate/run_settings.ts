import type { WrittenFormat } from '../dataset/example_writers.js';
import type { DatasetFormat } from '../dataset/input.js';

/** What a run of a recipe is told, by the names that the command line has for it. */
export interface RunSettings {
  /** What to write from: txt (a text a line), jsonl, csv or tsv; not for recipes that take none. */
  readonly input?: string;
  /** Instead of the extension. */
  readonly inputFormat?: DatasetFormat;
  /** Field or column of the text; default `text`. */
  readonly textField?: string;
  /** Field or column of the id; default `id`, where there is one. */
  readonly idField?: string;
  /** Name of the input, written into every row that names none. */
  readonly source?: string;
  /** Of the input, for the data card. */
  readonly licence?: string;
  /** Of pairs and triples: which column is which role. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Of `qwen3`: a file with a character a line; default our own. */
  readonly personas?: string;
  /** The run's folder: journal, answers, `data.jsonl`, `quarantine.jsonl`. */
  readonly output?: string;
  /** A second file of the rows beside `data.jsonl`. */
  readonly format: WrittenFormat;
  /** Drop rows nearly the same as an earlier one: Jaccard similarity of 5-grams, in (0, 1]. */
  readonly nearDuplicates?: number;
  /** Drop rows whose anchor says the same as an earlier one: cosine by `model`, in (0, 1]. */
  readonly sameMeaning?: number;
  /** Folders of STS sets: rows that share a text with them are counted. */
  readonly evaluation?: readonly string[];
  /** And left out. */
  readonly excludeOverlap?: boolean;
  /** The most rows of one source, as a share of all, in (0, 1]. */
  readonly maxSourceShare?: number;
  /** The LLM, by the server's name for it. */
  readonly llm?: string;
  /** Up to and with its version; default `OPENAI_BASE_URL`, else OpenAI's. */
  readonly baseUrl?: string;
  /** A file of mode 0600; default the variable `OPENAI_API_KEY`. */
  readonly apiKeyFile?: string;
  /** `rehearsal` writes by rule, offline. */
  readonly provider: 'openai' | 'rehearsal';
  /** Settings of the recipe. */
  readonly set?: Readonly<Record<string, string>>;
  /** A folder of templates in place of the shipped ones of the same id. */
  readonly templates?: string;
  /** The weights that slots are drawn by. */
  readonly slotWeights?: string;
  /** Of slots and calls, >= 0. */
  readonly seed: number;
  /** Only the first rows of the input. */
  readonly limit?: number;
  /** Caps that nothing passes: tokens, calls, money by `priceTable`. */
  readonly maxTokensTotal?: number;
  readonly maxCalls?: number;
  readonly maxCost?: number;
  /** Calls in flight. */
  readonly concurrency: number;
  readonly requestsPerMinute?: number;
  /** Prompts and output limits together. */
  readonly tokensPerMinute?: number;
  /** Send calls as files of the Batch API. */
  readonly batchApi?: boolean;
  readonly batchPollMs: number;
  /** First end what earlier runs left at the Batch API, and keep it. */
  readonly cancelBatches?: boolean;
  readonly callTimeoutMs: number;
  /** Before the first retry; doubled each time. */
  readonly retryDelayMs: number;
  /** A call whose end is not known: made again, or given up. */
  readonly onUnknown: 'retry' | 'fail';
  /** A file of prices by model; default the one of the package, which names none. */
  readonly priceTable?: string;
  /** An encoder: for `sameMeaning`, `qwen3`'s nearest characters and reports. */
  readonly model?: string;
  /** Try the calls again that were given up. */
  readonly retryFailed?: boolean;
  /** Go on although the input is not the one of the run. */
  readonly changedInput?: boolean;
  /** Stop at the first row that cannot be used. */
  readonly strict?: boolean;
}

export const runDefaults = {
  format: 'jsonl',
  provider: 'openai',
  seed: 0,
  concurrency: 64,
  batchPollMs: 60_000,
  callTimeoutMs: 120_000,
  retryDelayMs: 500,
  onUnknown: 'retry',
} as const satisfies Partial<RunSettings>;
