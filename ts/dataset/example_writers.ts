import { SimgptError } from '../errors.js';
import { createAtomicFile } from '../files/atomic.js';
import { canonicalJson } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import { csvField, csvText, isFormula } from '../files/csv.js';
import { exampleRoles } from './training_example.js';
import type { TrainingExample } from './training_example.js';

/** The forms that examples are written in. */
export type WrittenFormat = 'jsonl' | 'parquet' | 'csv';

/** All of them, for messages and option lists. */
export const writtenFormats: readonly WrittenFormat[] = ['jsonl', 'parquet', 'csv'];

/** An example to be written: one that was read, or one that was generated. */
export interface WritableExample extends Omit<
  TrainingExample,
  'line' | 'source' | 'provenance' | 'replaced' | 'problem'
> {
  readonly source?: string | undefined;
  /** A value, or its JSON. */
  readonly provenance?: string | JsonValue | undefined;
}

export interface WriteExamplesOptions {
  /**
   * Who reads a CSV. `trainer` (the default; SimCSE's `sent0,sent1,hard_neg`): texts as they are,
   * since a changed text is a changed example. `spreadsheet`: a text that one would run as a formula
   * gets a leading `'`. Either way such texts are counted.
   */
  readonly csvFor?: 'trainer' | 'spreadsheet' | undefined;
}

export interface WrittenExamples {
  readonly rows: number;
  /** Texts of a CSV that a spreadsheet would run. */
  readonly formulas: number;
}

type Rows = AsyncIterable<WritableExample> | Iterable<WritableExample>;

/**
 * Writes a file whole or not at all, replacing one of that name; equal rows give equal bytes. jsonl
 * and Parquet hold everything; CSV holds the texts, and needs as many hard negatives in each row as
 * in the first. Throws SimgptError `ioFailed`, `dataInvalid` by row.
 */
export async function writeExamples(
  path: string,
  format: WrittenFormat,
  rows: Rows,
  { csvFor = 'trainer' }: WriteExamplesOptions = {},
): Promise<WrittenExamples> {
  const counts = { rows: 0, formulas: 0 };
  const counted = (async function* () {
    for await (const row of rows) {
      counts.rows++;
      yield row;
    }
  })();
  const parts =
    format === 'jsonl'
      ? jsonLines(counted)
      : format === 'csv'
        ? csvLines(counted, csvFor, counts)
        : (await import('./parquet_writer.js')).parquetBytes(counted);
  const file = await createAtomicFile(path);
  try {
    for await (const part of parts) {
      await file.write(part);
    }
    await file.commit();
  } catch (error) {
    await file.abort();
    throw error;
  }
  return counts;
}

/** The one JSON line of an example, without its line break. */
export function exampleLine(row: WritableExample): string {
  const { provenance, record: _record, ...fields } = row;
  const members: Record<string, JsonValue> = {};
  for (const name of exampleRoles) {
    const value = fields[name];
    if (value !== undefined) {
      members[name] = value;
    }
  }
  const origin =
    typeof provenance === 'string' ? (JSON.parse(provenance) as JsonValue) : provenance;
  return canonicalJson(origin === undefined ? members : { ...members, provenance: origin });
}

const charactersPerWrite = 1 << 20;

async function* jsonLines(rows: AsyncIterable<WritableExample>): AsyncGenerator<string> {
  yield* gathered(rows, (row) => `${row.record ?? exampleLine(row)}\n`);
}

async function* gathered(
  rows: AsyncIterable<WritableExample>,
  lineOf: (row: WritableExample) => string,
  header = '',
): AsyncGenerator<string> {
  let text = header;
  for await (const row of rows) {
    text += lineOf(row);
    if (text.length >= charactersPerWrite) {
      yield text;
      text = '';
    }
  }
  yield text;
}

async function* csvLines(
  rows: AsyncIterable<WritableExample>,
  csvFor: 'trainer' | 'spreadsheet',
  counts: { formulas: number },
): AsyncGenerator<string> {
  const iterator = rows[Symbol.asyncIterator]();
  const first = await iterator.next();
  const negatives = first.done ? 0 : first.value.hardNegatives.length;
  const numbered = Array.from({ length: negatives }, (_, i) =>
    i === 0 ? 'hard_neg' : `hard_neg_${i + 1}`,
  );
  const all = (async function* () {
    if (!first.done) {
      yield first.value;
      yield* { [Symbol.asyncIterator]: () => iterator };
    }
  })();
  const field = csvFor === 'trainer' ? csvText : csvField;
  const header = `${['sent0', 'sent1', ...numbered].join(',')}\n`;
  yield* gathered(
    all,
    ({ id, anchor, positive, hardNegatives }) => {
      if (hardNegatives.length !== negatives) {
        throw new SimgptError(
          'dataInvalid',
          `expected ${negatives} hard negatives in every row of a CSV as in its first, ` +
            `received ${hardNegatives.length} in row ${JSON.stringify(id)}`,
        );
      }
      const texts = [anchor, positive, ...hardNegatives];
      counts.formulas += texts.filter(isFormula).length;
      return `${texts.map(field).join(',')}\n`;
    },
    header,
  );
}
