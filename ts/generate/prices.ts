import { fileURLToPath } from 'node:url';
import { z } from 'zod';

import { readChecked } from './file_schema.js';

const perMillion = z.number().min(0);

const schema = z.strictObject({
  note: z.string().optional(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  models: z.record(
    z.string(),
    z.strictObject({ inputPerMillionTokens: perMillion, outputPerMillionTokens: perMillion }),
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

/** The price of tokens as `12.30 USD`; undefined where the table does not name the model. */
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
  return `${sum.toFixed(2)} ${currency}`;
}
