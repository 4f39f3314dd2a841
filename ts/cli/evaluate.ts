import { Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';
import type { ScoredModel, StsReport } from '../evaluate/report.js';
import { stsProtocols, stsTaskNames } from '../evaluate/sts_tasks.js';
import type { StsProtocol, StsTaskName } from '../evaluate/sts_tasks.js';
import type { StsData } from '../evaluate/sts_data.js';
import { heads, poolings } from '../encoder/pooling.js';
import type { Head, Pooling } from '../encoder/pooling.js';
import { SimgptError } from '../errors.js';
import { exampleColumns } from '../dataset/named_columns.js';
import type { StsOptions } from '../evaluate/sts.js';
import { columnsOption } from './example_columns.js';
import { registerPairs } from './evaluate_pairs.js';
import { exitCodes } from './exit_codes.js';
import { interruptSignal } from './interrupt.js';
import {
  embedOptions,
  integerArgument,
  listArgument,
  loadModel,
  modelOptions,
} from './model_options.js';
import type { ModelFlags } from './model_options.js';
import { printJson, printResult } from './print.js';
import { createProgress } from './progress.js';
import { forTerminalLine } from './terminal.js';

interface StsFlags extends ModelFlags {
  readonly data?: readonly string[];
  readonly protocol: StsProtocol;
  readonly tasks?: readonly StsTaskName[];
  readonly subsets?: boolean;
  readonly compare?: string;
  readonly comparePooling?: readonly Pooling[];
  readonly compareHead?: Head;
  readonly compareRevision?: string;
  readonly seed: number;
  readonly draws: number;
  readonly strict?: boolean;
  readonly quarantine: string;
  readonly fetch?: string;
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly latex?: boolean;
  readonly csv?: boolean;
  readonly report?: string;
  readonly training?: readonly string[];
  readonly columns?: Readonly<Record<string, string>>;
}

export function register(program: Command): void {
  const evaluate = program
    .command('evaluate')
    .description('score a model on published test sets, or on graded pairs');
  const sts = evaluate
    .command('sts')
    .description('the seven STS sets: Spearman x 100 with 95 % intervals')
    .option(
      '--data <folder>',
      "folder of sts12.tsv ... sickr.tsv, or SentEval's; may be repeated, the first match wins",
      (folder: string, folders: readonly string[] | undefined) => [...(folders ?? []), folder],
    )
    .addOption(
      new Option('--protocol <name>', 'which rows count and how scores are rounded')
        .choices(stsProtocols)
        .default('mteb'),
    )
    .addOption(
      new Option('--tasks <names>', 'only these, joined by commas').argParser(
        listArgument(stsTaskNames),
      ),
    )
    .option('--subsets', 'score each subset too')
    .option('--compare <path or id>', 'a second model: differences on the same draws')
    .addOption(
      new Option('--compare-pooling <names>', 'its pooling').argParser(listArgument(poolings)),
    )
    .addOption(new Option('--compare-head <name>', 'its head').choices(heads))
    .option('--compare-revision <name>', 'its revision')
    .option('--seed <n>', 'of the bootstrap', integerArgument(0, Number.MAX_SAFE_INTEGER), 0)
    .option('--draws <n>', 'bootstrap resamples a task', integerArgument(1, 100_000), 1000)
    .option('--strict', 'stop at the first bad row')
    .option('--quarantine <file>', 'where bad rows go', 'sts.quarantine.jsonl')
    .option('--report <file>', 'write one self-contained HTML page too, such as sts.html')
    .option(
      '--training <file>',
      'what the model was trained on: each task scored without its texts too; may be repeated',
      (file: string, files: readonly string[] | undefined) => [...(files ?? []), file],
    )
    .addOption(columnsOption())
    .option('--fetch <folder>', 'fetch the sets from the hub into a folder, and end');
  for (const option of outputOptions()) {
    sts.addOption(option);
  }
  for (const option of modelOptions({ precision: 'float32' })) {
    sts.addOption(option);
  }
  sts.addHelpText('after', stsHelp);
  sts.action((flags) => run(flags as unknown as StsFlags));
  registerPairs(evaluate);
}

const stsHelp = `
Data
  --data takes folders with sts12.tsv ... sts16.tsv, stsb.tsv and sickr.tsv (one header line
  "split subset score sentence1 sentence2", tabs, no quoting), or the folders of SentEval
  (STS12-en-test ... STSBenchmark, SICK). Row counts must be the published ones. The protocol
  decides rows and rounding: mteb takes all 9,927 SICK-R pairs, senteval the 4,927 of its test
  split; the text is the folder's.

  --fetch downloads the data sets mteb/sts12-sts ... mteb/sickr-sts at pinned commits through the
  hub's cache (HF_HOME, HF_TOKEN, HF_HUB_OFFLINE are obeyed) and needs @huggingface/hub. The hub
  has SICK-R without its splits, so senteval needs SICK from elsewhere. This has been tested
  against a local server that speaks the hub's protocol, not against the hub itself.

Examples
  simgpt evaluate sts --model sentence-transformers/all-MiniLM-L6-v2 --data sts
  simgpt evaluate sts --model A --compare B --data sts --protocol senteval --markdown
`;

function outputOptions(): Option[] {
  const forms = ['json', 'markdown', 'latex', 'csv'];
  return forms.map((form) =>
    new Option(
      `--${form}`,
      `print ${form === 'json' ? 'one JSON object' : form} instead of a table`,
    ).conflicts(forms.filter((other) => other !== form)),
  );
}

async function run(flags: StsFlags): Promise<void> {
  const signal = interruptSignal();
  if (flags.fetch !== undefined) {
    await fetchSets(flags.fetch, flags, signal);
    return;
  }
  if (flags.data === undefined) {
    throw new RangeError('expected --data to name a folder of STS sets, received none');
  }
  const { loadStsData } = await import('../evaluate/sts_data.js');
  const data = await loadStsData({
    folders: flags.data,
    protocol: flags.protocol,
    ...(flags.tasks === undefined ? {} : { tasks: flags.tasks }),
    signal,
  });
  if (flags.strict && data.badRows.length > 0) {
    const { file, line, reason } = data.badRows[0]!;
    throw new SimgptError('dataInvalid', `${file}, line ${line}: ${reason}`);
  }
  const { createStsReport } = await import('../evaluate/report.js');
  const isTrained = await trainedTexts(data, flags, signal);
  const first = await score(flags, data, { ...flags, isTrained }, signal);
  const second =
    flags.compare === undefined
      ? undefined
      : await score(secondModel(flags, flags.compare), data, { ...flags, isTrained }, signal);
  const report = createStsReport(first, {
    ...(flags.subsets ? { subsets: true } : {}),
    ...(second === undefined ? {} : { compare: second }),
  });
  await print(report, flags);
  if (flags.report !== undefined) await writeReport(flags.report, report);
  if (data.badRows.length > 0) {
    await writeBadRows(data, flags.quarantine);
    process.exitCode = exitCodes.partial;
  }
}

/** Looks the training files up in the sets (METHODS 11.5); undefined where none is named. */
async function trainedTexts(
  { sets }: StsData,
  { training, columns }: StsFlags,
  signal: AbortSignal,
): Promise<StsOptions['isTrained']> {
  if (training === undefined) return undefined;
  const [{ createOverlapScanner }, { goodExamples }] = await Promise.all([
    import('../evaluate/overlap.js'),
    import('../dataset/rewrite.js'),
  ]);
  const texts = sets.map(({ name, left, right }) => ({ name, texts: [...left, ...right] }));
  const scanner = createOverlapScanner(texts);
  let bad = 0;
  const reading = { columns: exampleColumns(columns), signal };
  for await (const row of goodExamples({ paths: training, reading, strict: false }, () => {
    bad += 1;
  })) {
    scanner.check(row);
  }
  if (bad > 0) process.stderr.write(`${bad} bad rows of the training data are not looked up\n`);
  return scanner.isMet;
}

function secondModel(flags: StsFlags, model: string): ModelFlags {
  const { revision: _revision, pooling: _pooling, head: _head, ...shared } = flags;
  return {
    ...shared,
    model,
    ...(flags.comparePooling === undefined ? {} : { pooling: flags.comparePooling }),
    ...(flags.compareHead === undefined ? {} : { head: flags.compareHead }),
    ...(flags.compareRevision === undefined ? {} : { revision: flags.compareRevision }),
  };
}

async function score(
  model: ModelFlags,
  data: StsData,
  { seed, draws, isTrained }: Pick<StsFlags, 'seed' | 'draws'> & Pick<StsOptions, 'isTrained'>,
  signal: AbortSignal,
): Promise<ScoredModel> {
  const { evaluateSts } = await import('../evaluate/sts.js');
  const { modelSettings } = await import('../evaluate/model_settings.js');
  // The SimCSE family puts nothing before a text; mteb uses the model's own prompt.
  const none = data.protocol === 'senteval' && model.prompt === undefined ? { prompt: 'none' } : {};
  const flags: ModelFlags = { ...model, ...none };
  await using encoder = await loadModel(flags, signal);
  const { checkpoint } = encoder;
  const progress = createProgress(`${forTerminalLine(checkpoint.id, 60)}: texts encoded`);
  const scores = await evaluateSts(encoder, data, {
    seed,
    draws,
    isTrained,
    embed: embedOptions(flags),
    signal,
    onProgress: progress.update,
  }).finally(progress.stop);
  return { settings: modelSettings(encoder, flags), scores };
}

async function print(report: StsReport, flags: StsFlags): Promise<void> {
  if (flags.json) {
    await printJson(report, 2);
    return;
  }
  const forms = await import('../evaluate/report_formats.js');
  const form = flags.markdown
    ? forms.stsReportAsMarkdown
    : flags.latex
      ? forms.stsReportAsLatex
      : flags.csv
        ? forms.stsReportAsCsv
        : forms.stsReportAsTable;
  await printResult(form(report));
}

async function writeReport(path: string, report: StsReport): Promise<void> {
  const [{ stsReportAsHtml }, { writeFileAtomic }] = await Promise.all([
    import('../evaluate/report_page.js'),
    import('../files/atomic.js'),
  ]);
  await writeFileAtomic(path, await stsReportAsHtml(report));
  process.stderr.write(`report in ${forTerminalLine(path, 1000)}\n`);
}

async function writeBadRows({ badRows }: StsData, path: string): Promise<void> {
  const { createQuarantine } = await import('../files/quarantine.js');
  const quarantine = createQuarantine(path);
  for (const row of badRows) {
    await quarantine.add(row);
  }
  await quarantine.commit();
  process.stderr.write(`${badRows.length} bad rows in ${forTerminalLine(path, 1000)}\n`);
}

async function fetchSets(folder: string, flags: StsFlags, signal: AbortSignal): Promise<void> {
  const { fetchStsData } = await import('../evaluate/sts_fetch.js');
  const tasks = flags.tasks === undefined ? {} : { tasks: flags.tasks };
  for await (const { path, fetched, flattened } of fetchStsData(folder, { ...tasks, signal })) {
    const note = flattened > 0 ? `, ${flattened} sentences with a tab or line end made flat` : '';
    const outcome = fetched ? `fetched${note}` : 'was there';
    process.stderr.write(`${forTerminalLine(path, 1000)}: ${outcome}\n`);
  }
}
