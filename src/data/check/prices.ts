// What the same training would cost at a provider: trained tokens times a price from an editable table.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CodedError } from '../../lib/coded-error.ts';

const PriceTable = z.object({
  currency: z.string().min(1),
  /** The prices are for this many trained tokens. */
  per_tokens: z.number().positive(),
  prices: z.record(z.string(), z.number().min(0)),
});
export type PriceTable = z.infer<typeof PriceTable>;

export type Price = { readonly model: string; readonly price: number; readonly currency: string };

const BUILT_IN = new URL('../../../assets/prices/training.json', import.meta.url);

/** `path` null: the table that comes with Tunery. Throws CodedError naming the file. */
export async function readPrices(path: string | null): Promise<PriceTable> {
  const name = path ?? 'assets/prices/training.json';
  try {
    return PriceTable.parse(JSON.parse(await readFile(path ?? BUILT_IN, 'utf8')));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new CodedError('bad_prices', `Cannot read the price table ${name}: ${reason}`, {
      param: 'prices',
      cause: error,
    });
  }
}

export const pricesOf = (table: PriceTable, trainedTokens: number): readonly Price[] =>
  Object.entries(table.prices).map(([model, price]) => ({
    model,
    price: Number(((trainedTokens / table.per_tokens) * price).toFixed(4)),
    currency: table.currency,
  }));
