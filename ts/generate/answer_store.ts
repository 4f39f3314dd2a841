import { hash } from 'node:crypto';
import { z } from 'zod';

import { SimgptError } from '../errors.js';
import { createDigestMap } from '../files/digest_map.js';
import { openJournal } from '../files/journal.js';
import type { JournalRecord, RecordPlace } from '../files/journal.js';
import { outcomes } from './ledger_events.js';
import type { Outcome } from './ledger_events.js';
import type { ClaimKey, Usage } from './ledger_state.js';

const finishReasons = ['stop', 'length', 'content_filter', 'other'] as const;

export type FinishReason = (typeof finishReasons)[number];

/** An answer as it was bought, usable or not. */
export interface StoredAnswer extends ClaimKey {
  readonly outcome: Outcome;
  /** Null where the provider did not say. */
  readonly usage: Usage | null;
  readonly finishReason: FinishReason;
  readonly text: string;
  /** Of the text; the ledger's settlement names it. */
  readonly sha256: string;
}

/** What was bought, kept before it is settled and never written over. */
export interface AnswerStore extends AsyncDisposable {
  readonly size: number;
  /** Resolves when the answer is durable, with the sha256 of its text. */
  put(answer: Omit<StoredAnswer, 'sha256'>): Promise<string>;
  /** The answers of one id in the order in which they were stored. */
  of(id: string): Promise<readonly StoredAnswer[]>;
  close(): Promise<void>;
}

/** A longer text is cut: as an answer it is `tooLong`, and a record holds no more than this. */
const maxStoredLength = 2 ** 21;

const tokens = z.int().min(0);
const record = z.strictObject({
  kind: z.literal('answer'),
  id: z.string().min(1),
  attempt: z.int().min(1),
  outcome: z.enum(outcomes),
  usage: z.strictObject({ inputTokens: tokens, outputTokens: tokens }).nullable(),
  finishReason: z.enum(finishReasons),
  text: z.string(),
  sha256: z.string(),
});

/**
 * Opens the store at `path`, or starts one. Only places are held in memory; a text is read when it
 * is asked for. Throws as a journal does.
 */
export async function openAnswerStore(path: string): Promise<AnswerStore> {
  const places = createDigestMap();
  const place = (id: string, at: RecordPlace): void => {
    let number = 0;
    while (places.get(id, number) !== undefined) number += 1;
    places.set(id, number, at);
  };
  const journal = await openJournal(path, {
    onRecord: ({ id }, at) => place(typeof id === 'string' ? id : '', at),
  });
  return {
    get size() {
      return places.size;
    },
    async put(answer) {
      const text = answer.text.slice(0, maxStoredLength);
      const sha256 = hashOf(text);
      const { id, attempt, outcome, usage, finishReason } = answer;
      const settled = usage === null ? null : { ...usage };
      const entry = { id, attempt, outcome, usage: settled, finishReason, text, sha256 };
      place(id, await journal.append({ kind: 'answer', ...entry }));
      return sha256;
    },
    async of(id) {
      const found: StoredAnswer[] = [];
      for (let number = 0, at = places.get(id); at !== undefined; at = places.get(id, number)) {
        found.push(checked(await journal.read(at), path));
        number += 1;
      }
      // Told apart by 128 bits, and still looked at: an answer of another call would be a lie.
      return found.filter((answer) => answer.id === id);
    },
    close: journal.close,
    [Symbol.asyncDispose]: journal.close,
  };
}

function checked(found: JournalRecord, path: string): StoredAnswer {
  const result = record.safeParse(found);
  if (!result.success || result.data.sha256 !== hashOf(result.data.text)) {
    throw new SimgptError('fileInvalid', `${path}: expected an answer whose text fits its sha256`);
  }
  const { kind: _, ...answer } = result.data;
  return answer;
}

function hashOf(text: string): string {
  return hash('sha256', text);
}
