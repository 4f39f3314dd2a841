import { Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';

import type { WrittenFormat } from '../dataset/example_writers.js';
import type { CurationRule } from '../generate/curate.js';
import type { CuratedFile } from '../generate/curate_file.js';
import { exampleColumns } from '../dataset/named_columns.js';
import { columnsOption } from './example_columns.js';
import { exitCodes } from './exit_codes.js';
import { printJson, printResult } from './print.js';
import { describeSurvivors } from './survivors.js';
import { forTerminalLine } from './terminal.js';

const rules = ['default', 'released', 'released-no-gap'] as const;

interface CurateFlags {
  readonly rule: (typeof rules)[number];
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly preFilter?: boolean;
  readonly columns?: Readonly<Record<string, string>>;
  readonly output?: string;
  readonly json?: boolean;
}

const grade = (flags: string, description: string) =>
  new Option(flags, description).argParser((text: string) => {
    const value = /^\d(?:\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
    if (value <= 5) return value;
    throw new RangeError(`expected ${flags.split(' ')[0]!} from 0 to 5, received ${text}`);
  });

export function register(program: Command): void {
  program
    .command('curate')
    .description('keep the graded triples that a rule lets through; survivors of every rule')
    .argument('<file>', 'triples with positiveScore and negativeScore, 0 to 5')
    .addOption(new Option('--rule <name>', 'what is kept').choices(rules).default('default'))
    .addOption(grade('--alpha <grade>', 'the least that a positive must earn').default(3))
    .addOption(grade('--beta <grade>', 'the most that a negative may earn').default(3))
    .addOption(grade('--gamma <grade>', 'by how much, under the default rule').default(1))
    .option('--pre-filter', 'swap roles and drop triples first, for files graded elsewhere')
    .addOption(columnsOption())
    .option('--output <file>', 'jsonl, parquet or csv of what is kept (default: count only)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', help)
    .action((file, flags) => run(file, flags as unknown as CurateFlags));
}

const help = `
default keeps a triple where positive >= alpha, negative <= beta and positive >= negative + gamma;
released asks for positive != negative in place of the last, released-no-gap for nothing.
Rows that are no graded triples go to OUTPUT.quarantine.jsonl; exit code 3 then.
`;

async function run(file: string, flags: CurateFlags): Promise<void> {
  const { curateFile } = await import('../generate/curate_file.js');
  const { createQuarantine } = await import('../files/quarantine.js');
  const { output } = flags;
  const found = await curateFile(file, {
    rule: ruleOf(flags),
    preFilter: flags.preFilter === true,
    reading: { columns: exampleColumns(flags.columns) },
    ...(output === undefined
      ? {}
      : {
          output: { path: output, format: formatOf(output) },
          quarantine: createQuarantine(`${output}.quarantine.jsonl`),
        }),
  });
  if (flags.json === true) await printJson(found);
  else await printResult(describe(found, output));
  process.exitCode = found.bad > 0 ? exitCodes.partial : exitCodes.done;
}

function ruleOf({ rule, alpha, beta, gamma }: CurateFlags): CurationRule {
  if (rule === 'default') return { alpha, beta, gapRule: 'margin', gamma };
  return { alpha, beta, gapRule: rule === 'released' ? 'notEqual' : 'off' };
}

function formatOf(path: string): WrittenFormat {
  const extension = /\.([a-z]+)$/.exec(path.toLowerCase())?.[1];
  if (extension === 'jsonl' || extension === 'parquet' || extension === 'csv') return extension;
  throw new RangeError(`expected --output to end in .jsonl, .parquet or .csv, received ${path}`);
}

function describe(found: CuratedFile, output: string | undefined): string {
  const { triples, bad, swapped, preFiltered, kept, survivors } = found;
  const lines = [...describeSurvivors(survivors, triples), ''];
  if (swapped + preFiltered > 0) {
    lines.push(`pre-filter: ${swapped} with roles swapped, ${preFiltered} dropped`);
  }
  if (bad > 0) lines.push(`${bad} rows are no graded triples`);
  const where = output === undefined ? '' : ` in ${forTerminalLine(output, 1000)}`;
  lines.push(`${kept} of ${triples} triples kept${where}`);
  return lines.map((line) => `${line}\n`).join('');
}
