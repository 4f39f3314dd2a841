// What a generation run writes in its journal beside the ledger's events.
import { z } from 'zod';

import { SimgptError } from '../errors.js';
import { canonicalHash, withoutUndefined } from '../files/canonical_json.js';
import type { JournalRecord } from '../files/journal.js';
import { issueSentence } from '../files/checked_json.js';
import { dropReasons } from './parse.js';
import { priceSchema } from './prices.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const cap = count.nullable();

/** What the artefact is a function of, beside the answers. */
const plan = z.strictObject({
  recipe: z.string(),
  /** The recipe's settings, each with its value. */
  settings: z.record(z.string(), z.string()),
  /** sha256 of each template by id, and of the refusal phrases. */
  templates: z.record(z.string(), sha256),
  refusals: sha256,
  model: z.string(),
  seed: count,
  slotWeights: z.string().nullable(),
  /** Null where the recipe takes no input. */
  input: z.strictObject({ bytes: count, sha256 }).nullable(),
  limit: cap,
  /** How rows are read, filtered and written. */
  output: z.record(z.string(), z.string()),
});

const moneyCap = z.strictObject({
  most: z.number().min(0),
  currency: z.string(),
  models: z.record(z.string(), priceSchema),
});
const written = z.strictObject({ name: z.string(), rows: count, sha256 });

/** A file of the artefact. */
export type WrittenFile = z.infer<typeof written>;
export type GenerationPlan = z.infer<typeof plan>;

const record = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('plan'), hash: sha256, plan }),
  /** The caps in force from here on. */
  z.strictObject({
    kind: z.literal('caps'),
    tokens: cap,
    calls: cap,
    money: moneyCap.exactOptional(),
  }),
  /** A call that is given up: its attempts brought no usable answer. */
  z.strictObject({
    kind: z.literal('fail'),
    id: z.string(),
    reason: z.enum([...dropReasons, 'failed']),
    detail: z.string(),
  }),
  /** The calls given up so far are to be tried again. */
  z.strictObject({ kind: z.literal('retry') }),
  /** The artefact is whole: these files are a function of plan, answers and failures. */
  z.strictObject({
    kind: z.literal('commit'),
    plan: sha256,
    files: z.array(written),
    /** Of the last stage. */
    units: count,
    lastStage: z.string(),
    quarantined: z.record(z.string(), count),
  }),
]);

export type RunRecord = z.infer<typeof record>;
export type Failure = Omit<Extract<RunRecord, { kind: 'fail' }>, 'kind' | 'id'>;
export type Commit = Extract<RunRecord, { kind: 'commit' }>;

/** Throws SimgptError `dataInvalid` for a record that is none of these. */
export function runRecordOf(found: JournalRecord): RunRecord {
  const result = record.safeParse(found);
  if (result.success) return result.data;
  throw new SimgptError('dataInvalid', `journal record: ${issueSentence(result.error, found)}`);
}

export function planHash(value: GenerationPlan): string {
  return canonicalHash(withoutUndefined(value));
}
