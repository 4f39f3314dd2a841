import { SimgptError } from '../errors.js';
import type { Journal } from '../files/journal.js';
import { checkedEvent } from './ledger_events.js';
import type { LedgerEvent, Outcome } from './ledger_events.js';
import { applyEvent, chargeOf, findEntry, refusalOf } from './ledger_state.js';
import type { Caps, Claim, ClaimKey, Entry, LedgerState, Refusal, Usage } from './ledger_state.js';

export interface Settlement {
  readonly outcome: Outcome;
  /** Null where the provider did not say: the whole claim is charged. */
  readonly usage: Usage | null;
  /** sha256 of the answer, stored before this call; null where there is none. */
  readonly response: string | null;
  /** Where a batch answered; live calls tell none. */
  readonly mode?: 'batch' | undefined;
}

/** One call on the provider's bill. */
export interface BillLine extends ClaimKey, Usage {}

export interface Reconciliation {
  /** Calls whose charge the bill changed. */
  readonly corrected: number;
  /** Lines of the bill that name no call of this ledger. */
  readonly unclaimed: readonly BillLine[];
}

export interface LedgerOptions {
  readonly caps: Caps;
  /** The settlement of a call that a crash left open, where its answer is in the store. */
  readonly recover?: (claim: Claim) => Settlement | undefined;
  /** Whether such a call is still on its way, in a batch, and stays open. */
  readonly holds?: (key: ClaimKey) => boolean;
}

/**
 * Buys calls: claim, make the call, settle. At every instant, and in the journal at every byte,
 * settled and booked together are at most the cap, but for what a provider charges beyond a claim.
 */
export interface Ledger {
  readonly state: LedgerState;
  /** Resolves when the claim is durable: only then may the call be made. Or says why it may not. */
  readonly claim: (claim: Claim) => Promise<Refusal | 'claimed'>;
  readonly settle: (key: ClaimKey, settlement: Settlement) => Promise<void>;
  /** The call was never sent: nothing is owed. */
  readonly release: (key: ClaimKey) => Promise<void>;
  /** The call ended without telling what it cost: it stays booked in full. */
  readonly book: (key: ClaimKey) => Promise<void>;
  /** Makes the ledger equal the provider's bill; call it when no call is in flight. */
  readonly reconcile: (bill: readonly BillLine[]) => Promise<Reconciliation>;
}

/**
 * The ledger over a journal whose events `state` has taken in (`ledgerEventOf`, `applyEvent`). Calls
 * that a crash left open are settled by `recover` or booked as unknown before this resolves.
 */
export async function openLedger(
  journal: Pick<Journal, 'append'>,
  state: LedgerState,
  options: LedgerOptions,
): Promise<Ledger> {
  const { caps, recover = () => undefined, holds = () => false } = options;
  expectCaps(caps);
  // State and journal take events in one order, since both happen before the first await.
  const takeIn = async (event: LedgerEvent): Promise<void> => {
    applyEvent(state, event);
    await journal.append(event);
  };
  const record = async (event: LedgerEvent): Promise<void> => takeIn(checkedEvent(event));
  const settle = ({ id, attempt }: ClaimKey, settlement: Settlement): Promise<void> => {
    const { outcome, usage, response, mode } = settlement;
    const by = mode === undefined ? {} : { mode };
    return record({ kind: 'settle', id, attempt, outcome, usage, response, ...by });
  };
  const book = ({ id, attempt }: ClaimKey): Promise<void> => record({ kind: 'book', id, attempt });
  const left = entriesOf(state).filter((entry) => entry.status === 'open' && !holds(entry));
  await Promise.all(
    left.map((entry) => {
      const settlement = recover(entry);
      return settlement === undefined ? book(entry) : settle(entry, settlement);
    }),
  );
  return {
    state,
    claim: async ({ id, attempt, model, template, tokens, promptTokens }) => {
      const bound = promptTokens === undefined ? {} : { promptTokens };
      const claim = { kind: 'claim', id, attempt, model, template, tokens, ...bound } as const;
      const event = checkedEvent(claim);
      const refusal = refusalOf(state, caps, claim);
      if (refusal !== undefined) return refusal;
      await takeIn(event);
      return 'claimed';
    },
    settle,
    release: (key) => settle(key, { outcome: 'notSent', usage: null, response: null }),
    book,
    reconcile: (bill) => reconcile(state, bill, record),
  };
}

function expectCaps({ tokens, calls, money }: Caps): void {
  for (const [name, cap] of Object.entries({ tokens, calls })) {
    if (cap !== undefined && !(Number.isSafeInteger(cap) && cap >= 0)) {
      throw new RangeError(`expected a cap of ${name} >= 0, received ${cap}`);
    }
  }
  if (money !== undefined && !(money.most >= 0)) {
    throw new RangeError(`expected a cap of money >= 0, received ${money.most}`);
  }
}

function entriesOf(state: LedgerState): Entry[] {
  return [...state.entries.values()].flat();
}

async function reconcile(
  state: LedgerState,
  bill: readonly BillLine[],
  record: (event: LedgerEvent) => Promise<void>,
): Promise<Reconciliation> {
  const open = entriesOf(state).find(({ status }) => status === 'open');
  if (open !== undefined) {
    throw new SimgptError('dataInvalid', `expected no call in flight, found ${open.id}`);
  }
  const keyOf = ({ id, attempt }: ClaimKey): string => JSON.stringify([id, attempt]);
  const lines = new Map(bill.map((line) => [keyOf(line), line]));
  if (lines.size !== bill.length) {
    throw new SimgptError('dataInvalid', 'expected a bill with each call once, found one twice');
  }
  const wrong = entriesOf(state).filter((entry) => {
    const line = lines.get(keyOf(entry));
    const tokens = line === undefined ? 0 : line.inputTokens + line.outputTokens;
    const isBilled = line !== undefined;
    return entry.status === 'unknown' || entry.isCharged !== isBilled || chargeOf(entry) !== tokens;
  });
  await Promise.all(
    wrong.map((entry) => {
      const { id, attempt } = entry;
      const line = lines.get(keyOf(entry));
      const { inputTokens = 0, outputTokens = 0 } = line ?? {};
      const billed = line !== undefined;
      return record({ kind: 'bill', id, attempt, billed, inputTokens, outputTokens });
    }),
  );
  const unclaimed = bill.filter((line) => findEntry(state, line) === undefined);
  return { corrected: wrong.length, unclaimed };
}
