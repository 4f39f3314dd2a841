import { z } from 'zod';

import { SimgptError } from '../errors.js';
import type { JournalRecord } from '../files/journal.js';

/** What became of a call whose end is known. Only `ok` holds a usable answer. */
export const outcomes = [
  'ok',
  // Never sent, or refused with the API's own error: costs nothing.
  'notSent',
  'notBilled',
  // Billed and unusable.
  'truncated',
  'length',
  'filtered',
  'refused',
  'schema',
  'empty',
] as const;

export type Outcome = (typeof outcomes)[number];

// No provider's context comes near; sums of millions of calls stay exact in a float64.
const count = z.int().min(0).max(1_000_000_000);
const key = { id: z.string().min(1).max(1024), attempt: z.int().min(1).max(1_000_000) };
const usage = { inputTokens: count, outputTokens: count };

const claim = z.strictObject({
  kind: z.literal('claim'),
  ...key,
  model: z.string().min(1).max(1024),
  template: z.string().min(1).max(1024),
  tokens: count.min(1),
  /** Of them, the prompt's. */
  promptTokens: count.exactOptional(),
});
const settle = z.strictObject({
  kind: z.literal('settle'),
  ...key,
  outcome: z.enum(outcomes),
  usage: z.strictObject(usage).nullable(),
  response: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  /** Where it is not `live`. */
  mode: z.literal('batch').exactOptional(),
});
const book = z.strictObject({ kind: z.literal('book'), ...key });
const bill = z.strictObject({ kind: z.literal('bill'), ...key, billed: z.boolean(), ...usage });
const event = z.discriminatedUnion('kind', [claim, settle, book, bill]);

/** One change of the ledger, as it stands in the journal. */
export type LedgerEvent = z.infer<typeof event>;

/** The ledger's event in a record; undefined where the record is of another kind. */
export function ledgerEventOf(record: JournalRecord): LedgerEvent | undefined {
  const { kind } = record;
  if (kind !== 'claim' && kind !== 'settle' && kind !== 'book' && kind !== 'bill') {
    return undefined;
  }
  const found = event.safeParse(record);
  if (found.success) return found.data;
  throw new SimgptError('dataInvalid', `journal record ${kind}: ${reasonOf(found.error)}`);
}

/** The event as it was given, checked. Throws RangeError naming the field. */
export function checkedEvent(given: LedgerEvent): LedgerEvent {
  const found = event.safeParse(given);
  if (found.success) return found.data;
  throw new RangeError(`${given.kind}: ${reasonOf(found.error)}`);
}

function reasonOf(error: z.ZodError): string {
  const issue = error.issues[0];
  return `field ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'expected another value'}`;
}
