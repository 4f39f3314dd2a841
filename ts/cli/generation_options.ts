import { InvalidArgumentError, Option } from '@commander-js/extra-typings';

import { writtenFormats } from '../dataset/example_writers.js';
import { datasetFormats } from '../dataset/input.js';
import { runDefaults } from '../generate/run_settings.js';
import type { RunSettings } from '../generate/run_settings.js';
import { columnsOption } from './example_columns.js';
import { integerArgument } from './model_options.js';

/** What every command says that buys answers of an LLM. */
export interface GenerationFlags extends RunSettings {
  readonly report: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const most = Number.MAX_SAFE_INTEGER;

function integer(flags: string, description: string, least: number, greatest = most) {
  return new Option(flags, description).argParser(integerArgument(least, greatest));
}

/** In the order in which help lists them. */
export function generationOptions(): Option[] {
  return [
    new Option('--input <file>', 'what to write from: txt (a text a line), jsonl, csv or tsv'),
    new Option('--input-format <name>', 'instead of the extension').choices(datasetFormats),
    new Option('--text-field <name>', 'field or column of the text (default: text)'),
    new Option('--id-field <name>', 'field or column of the id (default: id, where there is one)'),
    new Option('--source <name>', 'of the input, written into every row'),
    new Option('--licence <name>', 'of the input, for card.md: a short name such as cc-by-4.0'),
    columnsOption(),
    new Option('--personas <file>', 'of qwen3, a character a line (default: our own)'),
    new Option('--output <folder>', 'the run: its journal, answers, data.jsonl, quarantine.jsonl'),
    new Option('--format <name>', 'a second file of the rows, beside data.jsonl')
      .choices(writtenFormats)
      .default(runDefaults.format),
    new Option(
      '--near-duplicates [similarity]',
      'drop rows nearly the same as an earlier one: of 5-grams, 0.8 unless given',
    )
      .preset('0.8')
      .argParser(shareArgument),
    new Option(
      '--same-meaning [cosine]',
      'drop rows whose anchor says the same as an earlier one by --model, 0.95 unless given',
    )
      .preset('0.95')
      .argParser(shareArgument),
    new Option(
      '--evaluation <folder>',
      'count rows that share a text with the STS sets there; may be repeated',
    ).argParser((value: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      value,
    ]),
    new Option('--exclude-overlap', 'and leave them out'),
    new Option(
      '--max-source-share <share>',
      'let no source have more of the rows; its first ones stay',
    ).argParser(shareArgument),
    new Option('--llm <name>', "the model, by the server's name for it"),
    new Option(
      '--base-url <url>',
      'up to and with its version (default: OPENAI_BASE_URL, else OpenAI)',
    ),
    new Option('--api-key-file <file>', 'a file of mode 0600 (default: OPENAI_API_KEY)'),
    new Option('--provider <name>', 'what answers; the rehearsal writes by rule, offline')
      .choices(['openai', 'rehearsal'])
      .default(runDefaults.provider),
    new Option('--set <name=value>', 'a setting of the recipe; may be repeated').argParser(
      settingArgument,
    ),
    new Option('--templates <folder>', 'templates in place of the shipped ones of the same id'),
    new Option('--slot-weights <name>', 'the weights that slots are drawn by'),
    integer('--seed <n>', 'of slots and calls', 0).default(runDefaults.seed),
    integer('--limit <n>', 'only the first rows of the input', 1),
    integer('--max-tokens-total <n>', 'never spend more tokens, whatever happens', 0),
    integer('--max-calls <n>', 'never pay for more calls', 0),
    new Option('--max-cost <amount>', 'never spend more, by the price table').argParser(
      amountArgument,
    ),
    integer('--concurrency <n>', 'calls in flight', 1, 4096).default(runDefaults.concurrency),
    integer('--requests-per-minute <n>', 'at most (default: what the server asks for)', 1),
    integer('--tokens-per-minute <n>', 'at most, prompts and output limits together', 1),
    new Option('--batch-api', 'send calls as files of the Batch API, and wait for its answers'),
    integer('--batch-poll-ms <n>', 'between two looks at a batch', 1, 3_600_000).default(
      runDefaults.batchPollMs,
    ),
    new Option(
      '--cancel-batches',
      'first end what earlier runs left at the Batch API, and keep it',
    ),
    integer('--call-timeout-ms <n>', 'of one call', 1, 600_000).default(runDefaults.callTimeoutMs),
    integer('--retry-delay-ms <n>', 'before the first retry; doubled each time', 0, 60_000).default(
      runDefaults.retryDelayMs,
    ),
    new Option('--on-unknown <name>', 'a call whose end is not known: make it again, or fail')
      .choices(['retry', 'fail'])
      .default(runDefaults.onUnknown),
    new Option('--price-table <file>', 'prices by model, for money beside tokens'),
    new Option(
      '--model <path or id>',
      'an encoder: for the report, and for --same-meaning (default there: simgpt-small)',
    ),
    new Option('--no-report', 'write no card.md and no report.html'),
    new Option('--dry-run', 'print calls, tokens, money and the first three prompts; call nothing'),
    new Option('--retry-failed', 'try the calls again that were given up'),
    new Option('--changed-input', 'go on although the input is not the one of the run'),
    new Option('--strict', 'stop at the first row that cannot be used'),
    new Option('--json', 'print the result on stdout as one JSON object'),
  ];
}

function shareArgument(text: string): number {
  const value = /^\d(\.\d{1,6})?$/.test(text) ? Number(text) : NaN;
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError(`expected a number > 0 and <= 1, received ${text}`);
}

function amountArgument(text: string): number {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected an amount such as 2.50, received ${text}`);
}

function settingArgument(
  given: string,
  settings: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const at = given.indexOf('=');
  if (at < 1) throw new RangeError(`expected --set name=value, received ${given.slice(0, 80)}`);
  return { ...settings, [given.slice(0, at)]: given.slice(at + 1) };
}
