import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Rounds of A B B A; each side runs twice in a round. */
  readonly rounds: number | undefined;
  /** Small inputs and few rounds: shows that a bench works, says nothing about speed. */
  readonly quick: boolean;
  /** Threads given to every side. */
  readonly threads: number;
  /** File to which markdown rows are appended. */
  readonly rowsFile: string | undefined;
}

/** What `npm run bench` hands to each bench file. */
export function benchOptions(args: readonly string[] = process.argv.slice(2)): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      threads: { type: 'string', default: '2' },
      rows: { type: 'string' },
    },
  });
  return {
    rounds: values.rounds === undefined ? undefined : positive('--rounds', values.rounds),
    quick: values.quick,
    threads: positive('--threads', values.threads),
    rowsFile: values.rows,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`expected ${name} an integer >= 1, received ${text}`);
  }
  return value;
}
