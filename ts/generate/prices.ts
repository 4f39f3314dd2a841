import { fileURLToPath } from 'node:url';
import { z } from 'zod';

import { readChecked } from '../files/checked_json.js';
import type { LedgerReport, LedgerRow } from './ledger_report.js';
import { costOf, moneyText, priceIn } from './money.js';
import type { Mode, ModelPrice, MoneyCap, TokenPair } from './money.js';

const perMillion = z.number().min(0);

/** The price of one model. */
export const priceSchema = z.strictObject({
  inputPerMillionTokens: perMillion,
  outputPerMillionTokens: perMillion,
  batchDiscount: z.number().min(0).max(1).exactOptional(),
});

const schema = z.strictObject({
  note: z.string().optional(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  models: z.record(z.string(), priceSchema),
});

/** What tokens cost, by model. */
export interface PriceTable {
  readonly note?: string | undefined;
  readonly currency: string;
  readonly models: Readonly<Record<string, ModelPrice>>;
}

/** The table that comes with the package: it names no model until its owner does. */
export const shippedPrices = fileURLToPath(new URL('../../prices.json', import.meta.url));

/** Throws SimgptError `fileNotFound`, `fileInvalid` or `ioFailed`. */
export function readPrices(path: string = shippedPrices): Promise<PriceTable> {
  return readChecked(path, schema);
}

/** The price of tokens as `12.30 USD`, with that of a batch behind it; undefined where the table does not name the model. */
export function priceOf(
  { currency, models }: PriceTable,
  model: string,
  tokens: TokenPair,
): string | undefined {
  const price = priceIn(models, model);
  if (price === undefined) return undefined;
  const text = `${moneyText(costOf(price, tokens))} ${currency}`;
  if (price.batchDiscount === undefined) return text;
  return `${text} (${moneyText(costOf(price, tokens, 'batch'))} ${currency} by the Batch API)`;
}

/** What the calls of a ledger's row cost: by their usage, and with what told none at its bounds. */
export interface RowCost {
  readonly known: number;
  readonly atMost: number;
}

/** Undefined where the table does not name the model. */
export function rowCost(
  { model, mode, inputTokens, outputTokens, atWorst }: LedgerRow,
  { models }: PriceTable,
): RowCost | undefined {
  const price = priceIn(models, model);
  if (price === undefined) return undefined;
  const known = costOf(price, { inputTokens, outputTokens }, mode);
  return { known, atMost: known + costOf(price, atWorst, mode) };
}

/** The price of what a ledger holds, by model and mode; undefined where the table has none. */
export function ledgerPrices(
  { rows }: Pick<LedgerReport, 'rows'>,
  prices: PriceTable,
): readonly {
  readonly model: string;
  readonly mode: Mode;
  readonly cost: RowCost | undefined;
}[] {
  const sums = new Map<string, { model: string; mode: Mode; cost: RowCost | undefined }>();
  for (const row of rows) {
    const { model, mode } = row;
    const key = JSON.stringify([model, mode]);
    const before = sums.get(key)?.cost ?? { known: 0, atMost: 0 };
    const cost = rowCost(row, prices);
    const sum = cost && { known: before.known + cost.known, atMost: before.atMost + cost.atMost };
    sums.set(key, { model, mode, cost: sum });
  }
  return [...sums.values()];
}

/**
 * The cap in money on what `model` costs by the table. Throws RangeError where the table does not name
 * the model: a cap by no price would be none.
 */
export function moneyCap(most: number, { currency, models }: PriceTable, model: string): MoneyCap {
  if (priceIn(models, model) !== undefined) return { most, currency, models };
  const named = Object.keys(models).join(', ') || 'no model';
  const row = { [model]: { inputPerMillionTokens: 1, outputPerMillionTokens: 4 } };
  const form = JSON.stringify({ currency, models: row });
  throw new RangeError(
    `expected a price table that names ${model} for --max-cost, received one of ${named}: ` +
      `give a file like ${form} as --price-table`,
  );
}
