import { SimgptError } from '../errors.js';
import type { JsonFile } from '../files/json.js';
import { booleanField, failField, fieldOf, integerField, listChoices } from './config_fields.js';

/** How token states become one vector (METHODS 1.3); a list of them is concatenated in order. */
export const poolings = [
  'cls',
  'mean',
  'max',
  'meanSqrtLen',
  'weightedMean',
  'lastToken',
  'firstLastMean',
  'lastTwoMean',
  // firstLastMean with H^(0), the embedding layer's output, as code until 2022 had it (METHODS D6).
  'embeddingLastMean',
] as const;
export type Pooling = (typeof poolings)[number];

/** What follows pooling: nothing, the pretrained pooler, or the trained `mlp` of SimCSE. */
export const heads = ['none', 'pooler', 'mlp'] as const;
export type Head = (typeof heads)[number];

/** Our names beside sentence-transformers': the `pooling_mode` string and the older flag. */
export const sentenceTransformersPoolings: readonly {
  readonly pooling: Pooling;
  readonly mode: string;
  readonly flag: string;
}[] = [
  // In the order in which the older form concatenates.
  { pooling: 'cls', mode: 'cls', flag: 'pooling_mode_cls_token' },
  { pooling: 'max', mode: 'max', flag: 'pooling_mode_max_tokens' },
  { pooling: 'mean', mode: 'mean', flag: 'pooling_mode_mean_tokens' },
  {
    pooling: 'meanSqrtLen',
    mode: 'mean_sqrt_len_tokens',
    flag: 'pooling_mode_mean_sqrt_len_tokens',
  },
  { pooling: 'weightedMean', mode: 'weightedmean', flag: 'pooling_mode_weightedmean_tokens' },
  { pooling: 'lastToken', mode: 'lasttoken', flag: 'pooling_mode_lasttoken' },
];

/** Whether sentence-transformers has all of these poolings. */
export function isPublishedPooling(pooling: readonly Pooling[]): boolean {
  return pooling.every((name) => sentenceTransformersPoolings.some((row) => row.pooling === name));
}

function isPooling(value: unknown): value is Pooling {
  return poolings.some((pooling) => pooling === value);
}

/** Checks a caller's `pooling` option: one name or a list. Throws RangeError. */
export function checkPoolings(value: Pooling | readonly Pooling[]): readonly Pooling[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > poolings.length || !list.every(isPooling)) {
    throw new RangeError(
      `expected pooling to be ${listChoices(poolings)} or a list of these, ` +
        `received ${JSON.stringify(value)}`,
    );
  }
  return list;
}

/** Checks a caller's `head` option. Throws RangeError. */
export function checkHead(value: Head): Head {
  if (heads.includes(value)) return value;
  throw new RangeError(
    `expected head to be ${listChoices(heads)}, received ${JSON.stringify(value)}`,
  );
}

/** Reads the `pooling` field of our own `simgpt.json`. */
export function poolingField(file: JsonFile, field: string): readonly Pooling[] | undefined {
  const value = fieldOf(file, field);
  if (value === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > poolings.length || !list.every(isPooling)) {
    failField(file, field, `${listChoices(poolings)} or a list of these`);
  }
  return list;
}

function readModes(file: JsonFile): readonly Pooling[] {
  const value = fieldOf(file, 'pooling_mode');
  if (value === undefined) {
    const chosen = sentenceTransformersPoolings.filter(({ flag }) =>
      booleanField(file, flag, false),
    );
    if (chosen.length > 0) return chosen.map(({ pooling }) => pooling);
    // The reference's default where no flag is set.
    return ['mean'];
  }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const modes = sentenceTransformersPoolings.map(({ mode }) => mode);
  if (list.length === 0 || list.length > 16) failField(file, 'pooling_mode', listChoices(modes));
  return list.map((mode) => {
    const row = sentenceTransformersPoolings.find((candidate) => candidate.mode === mode);
    if (row === undefined) failField(file, 'pooling_mode', listChoices(modes), 'unsupported');
    return row.pooling;
  });
}

/** What `1_Pooling/config.json` states. */
export interface PoolingModule {
  readonly pooling: readonly Pooling[];
  readonly includePrompt: boolean;
}

/**
 * Reads both forms of the pooling config: `pooling_mode_*` flags and `pooling_mode`. Neither is
 * looked at where the pooling is `stated` elsewhere.
 */
export function readPoolingModule(
  file: JsonFile,
  hiddenSize: number,
  stated: readonly Pooling[] | undefined,
): PoolingModule {
  const field =
    fieldOf(file, 'embedding_dimension') === undefined
      ? 'word_embedding_dimension'
      : 'embedding_dimension';
  const size = integerField(file, field, { min: 1, max: 65_536 });
  if (size !== hiddenSize) failField(file, field, `the model's hidden_size ${hiddenSize}`);
  return {
    pooling: stated ?? readModes(file),
    includePrompt: booleanField(file, 'include_prompt', true),
  };
}

/** Refuses what changes the vectors and is not computed: prompts left out of the pooling. */
export function refuseExcludedPrompts(
  file: JsonFile,
  includePrompt: boolean,
  prompts: Readonly<Record<string, string>>,
): void {
  if (includePrompt || Object.values(prompts).every((prompt) => prompt === '')) return;
  throw new SimgptError(
    'unsupported',
    `${file.path}: field include_prompt: expected true for a model with prompts, received false`,
  );
}
