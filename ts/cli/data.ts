import { Argument, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';
import { writtenFormats } from '../dataset/example_writers.js';
import { integerArgument } from './model_options.js';
import { exampleOptions } from './example_options.js';
import type { DataAction, DataFlags } from './data_flags.js';

/** The subcommands of `simgpt data` and what each is given beside the files. */
export function register(program: Command): void {
  const data = program
    .command('data')
    .description('look at training data: count, thin out, compare, divide, convert');
  const subcommand = (
    name: DataAction,
    text: string,
    files: string,
  ): ReturnType<typeof addAction> => addAction(data, name, text, files);

  subcommand('stats', 'counts, lengths, sources, duplicates', '<files...>')
    .option('--near', 'count near duplicates of anchors too')
    .option('--strict', 'stop at the first bad row');
  withOutput(subcommand('dedup', 'keep the first of equal rows', '<file>'))
    .option('--near', 'and the first of nearly equal ones')
    .addOption(shareOption('--threshold <share>', 'least Jaccard similarity of 5-grams', 0.8))
    .addOption(
      new Option('--by <what>', 'what must be near')
        .choices(['pair', 'anchor'] as const)
        .default('pair' as const),
    )
    .option('--model <path or id>', 'an encoder: and the first of rows that mean the same by it')
    .addOption(
      shareOption(
        '--cosine <value>',
        'least cosine by the encoder; of pairs, the mean of two',
        0.95,
      ),
    );
  subcommand('overlap', 'which rows share a text with the STS sets', '<files...>')
    .requiredOption('--data <folder>', 'folder of the STS sets; may be repeated', collect)
    .addOption(shareOption('--threshold <share>', 'least Jaccard similarity of 5-grams', 0.8))
    .option('--report <file>', 'where the report goes as JSON', 'overlap.json')
    .option('--exclude <file>', 'write the rows that share nothing')
    .option('--gate', 'exit code 4 where any row shares a text')
    .option('--overwrite', 'replace an output that exists')
    .option('--strict', 'stop at the first bad row');
  withOutput(subcommand('sample', 'draw rows without repetition', '<file>'))
    .requiredOption('--count <n>', 'how many', integerArgument(1, 2 ** 32 - 1))
    .addOption(seedOption());
  const split = subcommand('split', 'divide rows so that no text is in two parts', '<file>')
    .requiredOption('--parts <names>', 'names and shares: train=0.9,dev=0.1', partsArgument)
    .requiredOption('--output <folder>', 'folder of the parts, a file each')
    .addOption(seedOption());
  withQuarantine(split);
  withOutput(subcommand('revoke', 'leave out what comes from a source', '<file>'))
    .option('--source <name>', 'rows of this data set; may be repeated', collect)
    .option('--source-id <id>', 'rows made from this input row; may be repeated', collect);
  withOutput(subcommand('cap', 'keep the first rows of each group up to one share', '<file>'))
    .addOption(
      new Option('--per <what>', 'source, or anchors near one another: by 5-grams, by an encoder')
        .choices(['source', 'near', 'meaning'] as const)
        .default('source' as const),
    )
    .addOption(
      shareOption(
        '--max-share <share>',
        'of the rows that stay, for any one group',
      ).makeOptionMandatory(),
    )
    .addOption(shareOption('--threshold <share>', 'of near: least Jaccard similarity', 0.8))
    .addOption(shareOption('--cosine <value>', 'of meaning: least cosine of two anchors', 0.95))
    .option('--model <path or id>', 'of meaning: the encoder (default: simgpt-small)');
  withOutput(subcommand('convert', 'write the rows in another form', '<file>')).option(
    '--spreadsheet',
    "a CSV that a spreadsheet may open: a formula's text gets a leading '",
  );
}

function addAction(data: Command, name: DataAction, text: string, files: string) {
  const command = data
    .command(name)
    .description(text)
    .addArgument(
      new Argument(
        files,
        'jsonl, csv, tsv, txt or Parquet, gzip or not; - for stdin where one pass does',
      ),
    );
  for (const option of exampleOptions()) {
    command.addOption(option);
  }
  command.option('--json', 'print one JSON object');
  command.action(async (paths, flags) => {
    const { dataActions } = await import('./data_actions.js');
    await dataActions[name]([paths].flat(), flags as DataFlags);
  });
  return command;
}

type Subcommand = ReturnType<typeof addAction>;

function withOutput(command: Subcommand): Subcommand {
  return withQuarantine(
    command.requiredOption(
      '--output <file>',
      'jsonl, csv or Parquet by its extension',
    ) as Subcommand,
  );
}

function withQuarantine(command: Subcommand): Subcommand {
  return command
    .addOption(
      new Option('--output-format <name>', 'instead of the extension').choices(writtenFormats),
    )
    .option('--quarantine <file>', 'where bad rows go (default: <output>.quarantine.jsonl)')
    .option('--overwrite', 'replace an output that exists')
    .option('--strict', 'stop at the first bad row') as Subcommand;
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

function seedOption(): Option {
  const seed = new Option('--seed <n>', 'what the draw depends on').default(0);
  return seed.argParser(integerArgument(0, Number.MAX_SAFE_INTEGER));
}

function shareOption(flags: string, text: string, otherwise?: number): Option {
  return new Option(flags, text).default(otherwise).argParser((value) => {
    const share = Number(value);
    if (value.trim() === '' || !(share > 0 && share <= 1)) {
      throw new InvalidArgumentError(`expected a number > 0 and <= 1, received ${value}`);
    }
    return share;
  });
}

function partsArgument(text: string): { name: string; share: number }[] {
  const parts = text.split(',').map((part) => {
    const [, name, share] = /^([A-Za-z0-9_-]{1,64})=(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    if (name === undefined || !(Number(share) > 0)) {
      throw new InvalidArgumentError(
        `expected NAME=SHARE with letters, digits, - and _ and a share > 0, received ${part}`,
      );
    }
    return { name, share: Number(share) };
  });
  if (
    parts.length < 2 ||
    new Set(parts.map(({ name }) => name.toLowerCase())).size < parts.length
  ) {
    throw new InvalidArgumentError(
      `expected two parts or more of different names, received ${text}`,
    );
  }
  return parts;
}
