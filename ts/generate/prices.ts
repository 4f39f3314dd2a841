import { fileURLToPath } from 'node:url';
import { z } from 'zod';

import { readChecked } from '../files/checked_json.js';
import type { LedgerReport } from './ledger_report.js';

const perMillion = z.number().min(0);

const schema = z.strictObject({
  note: z.string().optional(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  models: z.record(
    z.string(),
    z.strictObject({
      inputPerMillionTokens: perMillion,
      outputPerMillionTokens: perMillion,
      /** The share that the Batch API takes off, such as 0.5. */
      batchDiscount: z.number().min(0).max(1).optional(),
    }),
  ),
});

/** What tokens cost, by model. */
export type PriceTable = z.infer<typeof schema>;

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
  tokens: { readonly inputTokens: number; readonly outputTokens: number },
): string | undefined {
  const price = Object.hasOwn(models, model) ? models[model] : undefined;
  if (price === undefined) return undefined;
  const sum =
    (tokens.inputTokens * price.inputPerMillionTokens +
      tokens.outputTokens * price.outputPerMillionTokens) /
    1e6;
  const { batchDiscount } = price;
  const text = `${sum.toFixed(2)} ${currency}`;
  if (batchDiscount === undefined) return text;
  return `${text} (${(sum * (1 - batchDiscount)).toFixed(2)} ${currency} by the Batch API)`;
}

/** The price of what a ledger has settled with its usage, by model. */
export function ledgerPrices(
  { rows }: Pick<LedgerReport, 'rows'>,
  prices: PriceTable,
): readonly { readonly model: string; readonly price: string | undefined }[] {
  return [...new Set(rows.map(({ model }) => model))].map((model) => {
    const tokens = { inputTokens: 0, outputTokens: 0 };
    for (const row of rows.filter((one) => one.model === model)) {
      tokens.inputTokens += row.inputTokens;
      tokens.outputTokens += row.outputTokens;
    }
    return { model, price: priceOf(prices, model, tokens) };
  });
}
