import { z } from 'zod';

import { exportDtypes } from '../encoder/export.js';
import { poolings } from '../encoder/pooling.js';
import { equalTextsChoices } from './loss.js';
import { lossSchema } from './loss_schema.js';
import { loraSize } from './training_options.js';

const positive = z.number().gt(0);
const count = z.int().min(1);
const share = z.number().min(0).max(1);

/** Which parameters are trained (METHODS 1.5). */
const trainsSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('all') }),
  z.strictObject({ kind: z.literal('bitFit') }),
  z.strictObject({ kind: z.literal('head') }),
  z.strictObject({
    kind: z.literal('deepPrompt'),
    /** Rows of the prompt: keys and values put before those of the text, in every layer. */
    length: z.int().min(1).max(256),
    reparameterized: z.boolean().default(false),
  }),
  z
    .strictObject({
      kind: z.literal('lora'),
      rank: z.int().min(1).max(1024).optional(),
      alpha: positive.optional(),
    })
    // Decided here, so that a run writes the numbers down.
    .transform((given) => ({ ...given, ...loraSize(given) })),
]);

const scheduleSchema = z.strictObject({
  kind: z.enum(['linear', 'cosine', 'constant']),
  warmupSteps: z.int().min(0),
});

/** An auxiliary masked-language-modelling loss (METHODS 1.4): mu · decay^(step / decaySteps). */
const mlmSchema = z.strictObject({
  weight: positive,
  rate: z.number().gt(0).max(1),
  decay: z.number().gt(0).max(1).default(1),
  decaySteps: count.default(100),
});

/** The dev sets that a checkpoint may be selected by; test sets are not among them (D14). */
export const selectionSets = ['stsb-dev', 'sickr-trial'] as const;
export type SelectionSet = (typeof selectionSets)[number];

const headSchema = z.enum(['none', 'mlp', 'asModel']);

/** Every value of a run that a recipe decides; a run writes all of them down. */
export const settingsSchema = z.strictObject({
  /**
   * What a row holds: a text, a pair, or a pair with at least one hard negative. `texts`: each text
   * of a row for itself, two distinct ones an example, for losses that relate none of them.
   */
  data: z.enum(['sentences', 'pairs', 'triples', 'texts']),
  trains: trainsSchema,
  /** `asModel`: what the model's folder says. */
  pooling: z.enum([...poolings, 'asModel']),
  /** Head after the pooling in training and in the exported model (METHODS 1.3). */
  head: z.strictObject({ train: headSchema, test: headSchema }),
  losses: z.array(lossSchema).min(1),
  mlm: mlmSchema.nullable(),
  /** How the weights of the exported model are stored. Default float32. */
  exportDtype: z.enum(exportDtypes).optional(),
  /** Examples in one step. */
  batchSize: count,
  epochs: count,
  learningRate: positive,
  schedule: scheduleSchema,
  optimizer: z.strictObject({
    beta1: z.number().min(0).lt(1),
    beta2: z.number().min(0).lt(1),
    epsilon: positive,
    weightDecay: z.number().min(0),
  }),
  /** Global norm that the true gradient of the batch is clipped to; null for none. */
  maxGradNorm: positive.nullable(),
  /** Most tokens of a text in training, special ones included. */
  maxTokens: z.int().min(3).nullable(),
  /** Null: what the model's config says. */
  dropout: z.strictObject({ hidden: share.lt(1), attention: share.lt(1) }).nullable(),
  seeds: z
    .array(z.int().min(0).max(Number.MAX_SAFE_INTEGER))
    .min(1)
    .refine((seeds) => new Set(seeds).size === seeds.length, 'seeds that differ'),
  evaluateEvery: count,
  /** Whether the last step is looked at wherever it falls (D16). */
  evaluateLast: z.boolean(),
  selection: z.array(z.enum(selectionSets)).min(1),
  /** Evaluations without a better score before the run stops; null for never. */
  patience: count.nullable(),
  /** No text twice in a batch (D22). */
  distinctTexts: z.boolean(),
  /** What a candidate is whose text is the anchor's or the positive's own (D22). */
  equalTexts: z.enum(equalTextsChoices),
  /** One source or task in a batch. */
  sameTaskBatches: z.boolean(),
  /** A frozen encoder whose similarities tell false negatives (METHODS 1.4). */
  reference: z.strictObject({ dropout: z.boolean() }).nullable(),
  /** A model whose embeddings are learned, and the student made of its layers. */
  teacher: z
    .strictObject({
      /** Layers of the teacher that the student keeps, from 0. */
      layers: z.array(z.int().min(0)).min(1),
      /**
       * Which tokens of the teacher the student keeps: those that occur at least `minCount` times in
       * the training texts, special ones and single characters. Null: all of them.
       */
      vocabulary: z.strictObject({ minCount: count }).nullable().default(null),
    })
    .nullable(),
});

/** What a recipe need not say. */
export const settingDefaults = { evaluateLast: true, equalTexts: 'exclude' } as const;

export type Settings = z.infer<typeof settingsSchema>;
/** The same as they are given: what has a default may be left out. */
export type SettingsInput = z.input<typeof settingsSchema>;
export type SettingName = keyof Settings;

const partialSettings = settingsSchema.partial();
const rowNames = ['bert-base', 'bert-large', 'roberta-base', 'roberta-large'] as const;
export type RowName = (typeof rowNames)[number];

const valuesSchema = z.strictObject({
  settings: partialSettings.default({}),
  /** What differs by backbone and size, as the published tables have it. */
  rows: z.partialRecord(z.enum(rowNames), partialSettings).default({}),
});

const name = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/);

/** A recipe's file: `recipes/*.json`. */
export const recipeSchema = z.strictObject({
  formatVersion: z.literal(1),
  name,
  summary: z.string().min(1),
  /** The paper and its code. */
  origin: z.string().min(1),
  /** A recipe whose values are taken first. */
  extends: name.optional(),
  ...valuesSchema.shape,
  /** Named sets of other values; `released`: as the published code has it where it differs. */
  variants: z
    .record(name, z.strictObject({ summary: z.string().min(1), ...valuesSchema.shape }))
    .default({}),
  /** Where each setting's value comes from, by setting, or `variant.setting`. */
  sources: z.record(z.string().regex(/^[a-zA-Z0-9.-]+$/), z.string().min(1)),
});

export type RecipeFile = z.infer<typeof recipeSchema>;

/** The JSON schema of a recipe's file, for editors. */
export function recipeJsonSchema(): object {
  return z.toJSONSchema(recipeSchema, { io: 'input' });
}
