// One planned call until its answer is in the store: claim, send, store, settle, and try again where
// that is worth it.
import { createHash } from 'node:crypto';

import { isFailure } from './breaker.js';
import type { Slots, UnitTraffic } from './buy_units.js';
import type { Dispatcher, SentAnswer } from './dispatch.js';
import { createFlights } from './flights.js';
import type { Flights } from './flights.js';
import type { Halt } from './halt.js';
import type { Ledger } from './ledger.js';
import type { Claim, Entry, Refusal } from './ledger_state.js';
import type { Clock } from './limiter.js';
import type { PreparedCall } from './planned_request.js';
import type { ChatAnswer } from './provider.js';
import { budgetSentence, providerStop } from './stop_sentences.js';
import { ledgerOutcome, settleAnswer } from './settle.js';
import { readStored } from './stored_call.js';
import type { StoredCall, StoredCalls } from './stored_call.js';
import type { RunFolder } from './run_folder.js';

export interface RetryRules {
  /** Paid answers that could not be used before a call is given up; the second has a fresh seed. */
  readonly paidTries: number;
  /** Attempts of one process before a call is given up, whatever became of them. */
  readonly attempts: number;
  /** Calls and waits of one example together; waiting for rates or for a server that is down is free. */
  readonly deadlineMs: number;
  /** The first wait; each further one is twice as long, up to a minute. */
  readonly backOffMs: number;
  /** Whether a call whose cost is not known is made again, and perhaps paid twice. */
  readonly onUnknown: 'retry' | 'fail';
}

export const retryDefaults: RetryRules = {
  paidTries: 2,
  attempts: 8,
  deadlineMs: 600_000,
  backOffMs: 500,
  onUnknown: 'retry',
};

export interface Market {
  readonly run: RunFolder;
  readonly ledger: Ledger;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly rules: RetryRules;
  readonly halt: Halt;
  /** Fires when calls in flight are to be given up. */
  readonly abandon: AbortSignal;
  readonly stored: StoredCalls;
  /** For the sentence of a provider's stop. */
  readonly server: { readonly baseUrl: string; readonly model: string };
  /** Bounds the attempts in flight. */
  readonly slots: Slots;
  readonly flights: Flights;
}

export type Buyer = (call: PreparedCall, traffic: UnitTraffic) => Promise<StoredCall>;

/** Buys calls; equal calls that are asked for at once are bought once. */
export function createBuyer(given: Omit<Market, 'flights'>): Buyer {
  const market = { ...given, flights: createFlights(given.halt.signal) };
  const pending = new Map<string, Promise<StoredCall>>();
  return (call, traffic) => {
    const found = pending.get(call.id);
    if (found !== undefined) return found;
    traffic.onCall(1);
    const bought = buy(market, call, traffic).finally(() => {
      pending.delete(call.id);
      traffic.onCall(-1);
    });
    pending.set(call.id, bought);
    return bought;
  };
}

async function buy(market: Market, call: PreparedCall, traffic: UnitTraffic): Promise<StoredCall> {
  const { ledger, rules, halt } = market;
  for (let tries = 1; ; tries += 1) {
    const stored = await readStored(market.stored, call);
    if (stored !== undefined) return stored;
    const attempts = ledger.state.entries.get(call.id) ?? [];
    const over = overReason(attempts, rules, ledger.state.fold?.has(call.id) === true);
    if (over !== undefined) return giveUp(market, call, over);
    const { answer, read } = await market.slots.run(() =>
      attemptOnce(market, call, attempts, traffic),
    );
    traffic.spend(answer.tookMs ?? 0);
    if (answer.kind === 'ok' && read?.kind === 'answer') return read;
    if (answer.advice === 'stop') stopRun(market, answer);
    if (answer.advice === 'fail') return giveUp(market, call, failedDetail(answer));
    // Paid: the store and the ledger say what comes next.
    if (answer.kind === 'ok' || answer.kind === 'billedUnusable') continue;
    const waitMs = backOffMs(rules, call.id, tries);
    if (tries >= rules.attempts || traffic.spend(waitMs) >= rules.deadlineMs) {
      return giveUp(market, call, `${failedDetail(answer)}, after ${tries} attempts`);
    }
    await market.clock.sleep(waitMs, halt.signal);
  }
}

/** Why no further attempt may be paid, or undefined. */
function overReason(
  attempts: readonly Entry[],
  { paidTries, onUnknown }: RetryRules,
  isFolded: boolean,
): string | undefined {
  // Paid, and not usable by the template's present output or the present refusal phrases.
  if (isFolded || attempts.some(({ outcome }) => outcome === 'ok')) return 'answered';
  const paid = attempts.filter(isPaidAnswer);
  if (paid.length >= paidTries) return paid.at(-1)!.outcome!;
  const unknown = attempts.some(({ status }) => status === 'unknown');
  return unknown && onUnknown === 'fail' ? 'unknown' : undefined;
}

/** Paid and answered, to no use: what a kill or a hang took away is another matter. */
function isPaidAnswer({ outcome, isCharged }: Entry): boolean {
  return isCharged && outcome !== null && outcome !== 'billed';
}

async function attemptOnce(
  market: Market,
  call: PreparedCall,
  attempts: readonly Entry[],
  traffic: UnitTraffic,
): Promise<{ readonly answer: SentAnswer; readonly read: StoredCall | undefined }> {
  const { dispatcher, halt, abandon } = market;
  // The wait for a slot may have been long.
  if (halt.stop !== undefined) throw halt.error();
  const held = attempts.find(({ status }) => status === 'open');
  const attempt = held?.attempt ?? (attempts.at(-1)?.attempt ?? 0) + 1;
  const { id, template, tokens, promptTokens } = call;
  const turn = attempts.filter(isPaidAnswer).length;
  // What the provider's look at the answer found: it need not be read and parsed once more.
  let read: StoredCall | undefined;
  const fits = (text: string): boolean => {
    read = market.stored.read(call, text);
    return read.kind === 'answer';
  };
  const request = { ...call.request(turn), fits };
  const { model } = request;
  if (held === undefined) {
    const claim = { id, attempt, model, template: template.id, tokens, promptTokens };
    await claimWithin(market, claim, traffic);
  } else {
    market.flights.begin();
  }
  // Handed over first: the dispatcher may be told at once that no other comes.
  const sending = dispatcher.send(
    { id, attempt, request, tokens },
    { stop: halt.sending, abandon },
  );
  traffic.onSending(1);
  try {
    const answer = await sending.finally(() => traffic.onSending(-1));
    await settleAnswer(market, { id, attempt }, answer);
    if (isFromTheApi(answer)) market.slots.widen();
    return { answer, read };
  } finally {
    market.flights.end();
  }
}

/**
 * Claims the call. Where a cap is in the way, calls in flight come to their end first: they are booked
 * at their worst, and mostly cost less.
 */
async function claimWithin(market: Market, claim: Claim, traffic: UnitTraffic): Promise<void> {
  const { ledger, halt, flights } = market;
  for (;;) {
    const ended = flights.ended();
    flights.begin();
    const refusal = await ledger.claim(claim);
    if (refusal === 'claimed') return;
    flights.cancel();
    const isCap = refusal === 'tokens' || refusal === 'calls' || refusal === 'money';
    if (isCap && flights.ended() !== ended) continue;
    if (!isCap || !flights.any()) refuse(market, refusal, claim);
    // To the dispatcher it is one more that waits, so that a file that is not full is sent.
    traffic.onSending(1);
    await flights.nextEnd().finally(() => traffic.onSending(-1));
    if (halt.stop !== undefined) throw halt.error();
  }
}

/** The server is the API, and up. */
function isFromTheApi(answer: SentAnswer): boolean {
  return answer.advice !== 'stop' && answer.kind !== 'notTheApi' && !isFailure(answer);
}

function refuse(market: Market, refusal: Refusal, claim: Claim): never {
  const { halt, ledger, run } = market;
  if (refusal === 'answered' || refusal === 'inFlight' || refusal === 'claimedBefore') {
    throw new Error(`defect: call ${claim.id} refused as ${refusal}`);
  }
  const sentence = budgetSentence(refusal, ledger.state, run.state.caps, claim);
  halt.pull({ kind: 'budget', reason: refusal, sentence });
  throw halt.error();
}

function stopRun({ halt, server }: Market, answer: ChatAnswer): never {
  if (answer.reason !== 'cancelled') halt.pull(providerStop(answer, server));
  throw halt.error();
}

/** Durable, so that a resumed run gives up the same calls and its rows stay the same. */
async function giveUp(market: Market, call: PreparedCall, detail: string): Promise<StoredCall> {
  const drop = (await market.stored.lastDrop(call)) ?? { reason: 'failed' as const, detail };
  await market.run.record({ kind: 'fail', id: call.id, ...drop });
  return { kind: 'drop', drop: { ...drop, call: call.name } };
}

function failedDetail(answer: ChatAnswer): string {
  const { reason, status } = answer;
  const outcome = ledgerOutcome(answer) ?? 'unknown';
  return `${outcome}: ${status === undefined ? '' : `${status} `}${reason}`;
}

/** Twice as long each time, between half and the whole of it, by the call's id and its number. */
function backOffMs({ backOffMs: first }: RetryRules, id: string, tries: number): number {
  const digest = createHash('sha256').update(`${id} ${tries}`).digest();
  const share = 0.5 + digest.readUInt32BE(0) / 2 ** 33;
  return Math.min(first * 2 ** (tries - 1), 60_000) * share;
}
