import type { AnswerStore, FinishReason } from './answer_store.js';
import type { Ledger, Settlement } from './ledger.js';
import type { Outcome as LedgerOutcome } from './ledger_events.js';
import type { ClaimKey, Usage } from './ledger_state.js';
import type { SentAnswer } from './dispatch.js';
import type { ChatAnswer } from './provider.js';

interface Counter {
  readonly ledger: Pick<Ledger, 'settle' | 'release' | 'book'>;
  readonly run: { readonly answers: Pick<AnswerStore, 'put'> };
}

/** Stores the answer where there is one, then says in the ledger what the call cost. */
export async function settleAnswer(
  { ledger, run }: Counter,
  key: ClaimKey,
  answer: SentAnswer,
): Promise<void> {
  const outcome = ledgerOutcome(answer);
  if (outcome === undefined) return ledger.book(key);
  if (outcome === 'notSent') return ledger.release(key);
  if (outcome === 'notBilled') {
    return ledger.settle(key, { outcome, usage: null, response: null });
  }
  const usage = usageOf(answer);
  const text = answer.content;
  const response =
    text === undefined
      ? null
      : await run.answers.put({ ...key, outcome, usage, text, finishReason: finishOf(answer) });
  await ledger.settle(key, { outcome, usage, response, mode: answer.mode });
}

/** The settlement of a call whose answer a crash left stored and unsettled. */
export async function recoveries(
  answers: Pick<AnswerStore, 'of'>,
  open: readonly ClaimKey[],
): Promise<ReadonlyMap<string, Settlement>> {
  const found = new Map<string, Settlement>();
  for (const { id, attempt } of open) {
    const stored = (await answers.of(id)).find((answer) => answer.attempt === attempt);
    if (stored === undefined) continue;
    const { outcome, usage, sha256 } = stored;
    found.set(recoveryKey({ id, attempt }), { outcome, usage, response: sha256 });
  }
  return found;
}

export function recoveryKey({ id, attempt }: ClaimKey): string {
  return JSON.stringify([id, attempt]);
}

const unusable: Readonly<Record<string, LedgerOutcome>> = {
  invalidJson: 'truncated',
  length: 'length',
  filter: 'filtered',
  refusal: 'refused',
  emptyChoices: 'empty',
  emptyContent: 'empty',
  errorInAnswer: 'empty',
};

/** Undefined where nobody knows what the call cost: it stays booked. */
export function ledgerOutcome({ kind, reason }: ChatAnswer): LedgerOutcome | undefined {
  switch (kind) {
    case 'ok':
    case 'notSent':
    case 'notBilled':
      return kind;
    case 'billedUnusable':
      return unusable[reason] ?? 'schema';
    default:
      return undefined;
  }
}

function usageOf({ usage }: ChatAnswer): Usage | null {
  return usage === undefined
    ? null
    : { inputTokens: usage.promptTokens, outputTokens: usage.completionTokens };
}

function finishOf({ reason }: ChatAnswer): FinishReason {
  if (reason === 'length') return 'length';
  if (reason === 'finishReason') return 'other';
  return reason === 'filter' || reason === 'refusal' ? 'content_filter' : 'stop';
}
