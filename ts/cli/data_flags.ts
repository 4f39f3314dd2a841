import type { WrittenFormat } from '../dataset/example_writers.js';
import type { SplitPart } from '../dataset/split.js';
import type { ExampleFlags } from './example_options.js';

/** The subcommands of `simgpt data`. */
export type DataAction =
  | 'stats'
  | 'dedup'
  | 'overlap'
  | 'sample'
  | 'split'
  | 'revoke'
  | 'cap'
  | 'convert';

/** The flags of all subcommands; each has those of its help. */
export interface DataFlags extends ExampleFlags {
  readonly output: string;
  readonly outputFormat?: WrittenFormat;
  readonly quarantine?: string;
  readonly overwrite?: boolean;
  readonly strict?: boolean;
  readonly json?: boolean;
  readonly near?: boolean;
  readonly threshold: number;
  readonly by: 'pair' | 'anchor';
  readonly data: readonly string[];
  readonly report: string;
  readonly exclude?: string;
  readonly gate?: boolean;
  readonly count: number;
  readonly seed: number;
  readonly parts: readonly SplitPart[];
  readonly source?: readonly string[];
  readonly sourceId?: readonly string[];
  readonly spreadsheet?: boolean;
  readonly per: 'source' | 'near' | 'meaning';
  readonly maxShare: number;
  readonly cosine: number;
  readonly model?: string;
}
