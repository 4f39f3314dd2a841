// What was bought, as a state machine without files: the journal's events in, sums out. The same
// events give the same state, whenever they are applied.
import { SimgptError } from '../errors.js';
import type { LedgerEvent, Outcome } from './ledger_events.js';
import { addTokens, chargedTokens, claimCost, moneySpent, noSpending } from './money.js';
import type { Mode, MoneyCap, Spending } from './money.js';

/** Names one call: an attempt at an example. */
export interface ClaimKey {
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
}

/** A call about to be made, and the most tokens it can cost: prompt and output limit together. */
export interface Claim extends ClaimKey {
  readonly model: string;
  readonly template: string;
  readonly tokens: number;
  /** Of them, the prompt's; all are taken for output where it is not told. */
  readonly promptTokens?: number | undefined;
}

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * `open` is in flight, `unknown` ended without telling its cost (booked in full), `settled` is known.
 * A provider's bill settles an unknown call as `billed` or `notBilled`.
 */
export interface Entry extends Claim {
  readonly status: 'open' | 'unknown' | 'settled';
  readonly outcome: Outcome | 'billed' | null;
  /** Whether the provider charges for the call; true as long as that is not known. */
  readonly isCharged: boolean;
  /** Null where the provider did not say: then the whole claim is charged. */
  readonly usage: Usage | null;
  /** sha256 of the stored answer. */
  readonly response: string | null;
  /** How it was answered; `live` as long as that is not known, which is the dearer one. */
  readonly mode: Mode;
  /** Claimed although a usable answer had arrived or another attempt was in flight. */
  readonly isAvoidable: boolean;
}

export interface LedgerSums {
  readonly settledTokens: number;
  readonly settledCalls: number;
  /** Of calls in flight and of unknown ones, at their worst case. */
  readonly bookedTokens: number;
  readonly bookedCalls: number;
  /** What calls cost beyond their claims: the provider passed the limits it was sent. */
  readonly overrunTokens: number;
}

export interface LedgerState {
  /** The attempts of each id in claim order. */
  readonly entries: Map<string, Entry[]>;
  sums: LedgerSums;
  /** What is settled and booked of each model, for caps in money. */
  readonly spending: Map<string, Spending>;
  /** Where it is there, ids that are answered and settled leave `entries` for it. */
  readonly fold?: LedgerFold;
}

/** Keeps of the entries that are over what little is still asked. */
export interface LedgerFold {
  /** All attempts of one id. */
  take(attempts: readonly Entry[]): void;
  has(id: string): boolean;
}

/** The most a run may settle and book together. */
export interface Caps {
  readonly tokens?: number | undefined;
  readonly calls?: number | undefined;
  readonly money?: MoneyCap | undefined;
}

/** Why a call may not be made. */
export type Refusal =
  | 'answered'
  | 'inFlight'
  | 'claimedBefore'
  | 'overrun'
  | 'tokens'
  | 'calls'
  | 'money';

export function emptyLedger(fold?: LedgerFold): LedgerState {
  return {
    ...(fold === undefined ? {} : { fold }),
    entries: new Map(),
    spending: new Map(),
    sums: { settledTokens: 0, settledCalls: 0, bookedTokens: 0, bookedCalls: 0, overrunTokens: 0 },
  };
}

/** Tokens the call costs, or may cost at worst. */
export function chargeOf(entry: Entry): number {
  const { isCharged, status, usage, tokens } = entry;
  if (!isCharged) return 0;
  return status !== 'settled' || usage === null ? tokens : usage.inputTokens + usage.outputTokens;
}

export function findEntry(state: LedgerState, { id, attempt }: ClaimKey): Entry | undefined {
  return state.entries.get(id)?.find((entry) => entry.attempt === attempt);
}

/** Why the call may not be made now; undefined where it may. */
export function refusalOf(state: LedgerState, caps: Caps, claim: Claim): Refusal | undefined {
  if (state.fold?.has(claim.id) === true) return 'answered';
  const attempts = state.entries.get(claim.id) ?? [];
  if (attempts.some(({ outcome }) => outcome === 'ok')) return 'answered';
  if (attempts.some(({ status }) => status === 'open')) return 'inFlight';
  if (attempts.some(({ attempt }) => attempt === claim.attempt)) return 'claimedBefore';
  const { sums } = state;
  if (sums.overrunTokens > 0) return 'overrun';
  const tokens = sums.settledTokens + sums.bookedTokens + claim.tokens;
  if (tokens > (caps.tokens ?? Number.POSITIVE_INFINITY)) return 'tokens';
  const calls = sums.settledCalls + sums.bookedCalls + 1;
  if (calls > (caps.calls ?? Number.POSITIVE_INFINITY)) return 'calls';
  const { money } = caps;
  if (money === undefined) return undefined;
  return moneySpent(state, money) + claimCost(claim, money) > money.most ? 'money' : undefined;
}

/** Takes the event in. Throws SimgptError `dataInvalid` where it does not follow from the state. */
export function applyEvent(state: LedgerState, event: LedgerEvent): void {
  if (event.kind === 'claim') {
    claimCall(state, event);
    return;
  }
  const before = findEntry(state, event);
  const settledTwice = before?.status === 'settled' && event.kind !== 'bill';
  if (before === undefined || settledTwice) {
    const found = before === undefined ? 'none' : 'one that is settled';
    throw new SimgptError(
      'dataInvalid',
      `${event.kind} of ${event.id}, attempt ${event.attempt}: expected an open claim, found ${found}`,
    );
  }
  replaceEntry(state, before, { ...before, ...changeOf(before, event) });
  const attempts = state.entries.get(event.id) ?? [];
  if (state.fold !== undefined && isOver(attempts)) {
    state.fold.take(attempts);
    state.entries.delete(event.id);
  }
}

function isOver(attempts: readonly Entry[]): boolean {
  return (
    attempts.some(({ outcome }) => outcome === 'ok') &&
    attempts.every(({ status }) => status === 'settled')
  );
}

type Change = Pick<Entry, 'status' | 'outcome' | 'isCharged' | 'usage' | 'response' | 'mode'>;

function changeOf(before: Entry, event: Exclude<LedgerEvent, { kind: 'claim' }>): Change {
  if (event.kind === 'book') return { ...before, status: 'unknown' };
  if (event.kind === 'settle') {
    const { outcome, usage, response, mode = 'live' } = event;
    const isCharged = outcome !== 'notSent' && outcome !== 'notBilled';
    return { status: 'settled', outcome, isCharged, usage, response, mode };
  }
  const { billed, inputTokens, outputTokens } = event;
  return {
    status: 'settled',
    // The bill tells the cost; what the call brought stays what it was.
    outcome: before.outcome ?? (billed ? 'billed' : 'notBilled'),
    isCharged: billed,
    usage: { inputTokens, outputTokens },
    response: before.response,
    mode: before.mode,
  };
}

function claimCall(state: LedgerState, event: Extract<LedgerEvent, { kind: 'claim' }>): void {
  const { id, attempt, model, template, tokens, promptTokens } = event;
  const attempts = state.entries.get(id) ?? [];
  if (attempts.some((entry) => entry.attempt === attempt)) {
    throw new SimgptError('dataInvalid', `claim of ${id}: expected attempt ${attempt} once`);
  }
  const entry: Entry = {
    id,
    attempt,
    model,
    template,
    tokens,
    promptTokens,
    mode: 'live',
    status: 'open',
    outcome: null,
    isCharged: true,
    usage: null,
    response: null,
    isAvoidable: attempts.some(({ outcome, status }) => outcome === 'ok' || status === 'open'),
  };
  state.entries.set(id, [...attempts, entry]);
  addToSums(state, entry, 1);
}

function replaceEntry(state: LedgerState, before: Entry, after: Entry): void {
  const attempts = state.entries.get(before.id) ?? [];
  attempts[attempts.indexOf(before)] = after;
  addToSums(state, before, -1);
  addToSums(state, after, 1);
}

function addToSums(state: LedgerState, entry: Entry, sign: 1 | -1): void {
  const { sums } = state;
  const tokens = sign * chargeOf(entry);
  const calls = entry.isCharged ? sign : 0;
  const isSettled = entry.status === 'settled';
  state.sums = {
    settledTokens: sums.settledTokens + (isSettled ? tokens : 0),
    settledCalls: sums.settledCalls + (isSettled ? calls : 0),
    bookedTokens: sums.bookedTokens + (isSettled ? 0 : tokens),
    bookedCalls: sums.bookedCalls + (isSettled ? 0 : calls),
    overrunTokens: sums.overrunTokens + sign * Math.max(0, chargeOf(entry) - entry.tokens),
  };
  if (!entry.isCharged) return;
  const { mode, ...charged } = chargedTokens(entry);
  const before = state.spending.get(entry.model) ?? noSpending;
  state.spending.set(entry.model, { ...before, [mode]: addTokens(before[mode], charged, sign) });
}
