// What tokens cost: pure arithmetic over a price table's entries.
import type { Claim, Entry, LedgerState } from './ledger_state.js';

/** How a call was made. A batch may be cheaper, where the price table says so. */
export type Mode = 'live' | 'batch';

export interface ModelPrice {
  readonly inputPerMillionTokens: number;
  readonly outputPerMillionTokens: number;
  /** The share that the Batch API takes off, such as 0.5. */
  readonly batchDiscount?: number;
}

/** The most a run may settle and book together, in money. */
export interface MoneyCap {
  /** In `currency`, >= 0. */
  readonly most: number;
  /** Three letters, such as `USD`. */
  readonly currency: string;
  /** Prices by model: of every model that the run calls, or has called. */
  readonly models: Readonly<Record<string, ModelPrice>>;
}

export interface TokenPair {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Tokens of one model that are charged: settled, or booked at worst. */
export type Spending = Readonly<Record<Mode, TokenPair>>;

const none: TokenPair = { inputTokens: 0, outputTokens: 0 };
export const noSpending: Spending = { live: none, batch: none };

/** The price of tokens, in the currency of the table. */
export function costOf(
  { inputPerMillionTokens, outputPerMillionTokens, batchDiscount = 0 }: ModelPrice,
  { inputTokens, outputTokens }: TokenPair,
  mode: Mode = 'live',
): number {
  const full = inputTokens * inputPerMillionTokens + outputTokens * outputPerMillionTokens;
  return (full * (mode === 'batch' ? 1 - batchDiscount : 1)) / 1e6;
}

/** The price of a claim at its bounds; a claim that tells no bound of its prompt is all output. */
export function boundsOf({ tokens, promptTokens = 0 }: Claim): TokenPair {
  return { inputTokens: promptTokens, outputTokens: tokens - promptTokens };
}

/** The tokens that an entry is charged, and at which price: its bounds where no usage was told. */
export function chargedTokens(entry: Entry): TokenPair & { readonly mode: Mode } {
  const { isCharged, status, usage, mode } = entry;
  if (!isCharged) return { ...none, mode };
  if (status !== 'settled' || usage === null) return { ...boundsOf(entry), mode };
  return { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens, mode };
}

export function addTokens(a: TokenPair, b: TokenPair, sign: 1 | -1 = 1): TokenPair {
  return {
    inputTokens: a.inputTokens + sign * b.inputTokens,
    outputTokens: a.outputTokens + sign * b.outputTokens,
  };
}

/** What is settled and booked, in money: infinite where the table does not name a model of it. */
export function moneySpent(
  { spending }: Pick<LedgerState, 'spending'>,
  { models }: Pick<MoneyCap, 'models'>,
): number {
  let sum = 0;
  for (const [model, { live, batch }] of spending) {
    const price = priceIn(models, model);
    if (price === undefined) return Number.POSITIVE_INFINITY;
    sum += costOf(price, live) + costOf(price, batch, 'batch');
  }
  return sum;
}

/** What the claim may cost at worst: live, even where a batch is to make it. */
export function claimCost(claim: Claim, { models }: Pick<MoneyCap, 'models'>): number {
  const price = priceIn(models, claim.model);
  return price === undefined ? Number.POSITIVE_INFINITY : costOf(price, boundsOf(claim));
}

export function priceIn(
  models: Readonly<Record<string, ModelPrice>>,
  model: string,
): ModelPrice | undefined {
  return Object.hasOwn(models, model) ? models[model] : undefined;
}

/** Two decimals, more where the amount is so small that they would tell nothing. */
export function moneyText(amount: number): string {
  if (amount === 0 || amount >= 0.1) return amount.toFixed(2);
  const digits = Math.min(8, 1 - Math.floor(Math.log10(amount)));
  return amount.toFixed(digits);
}
