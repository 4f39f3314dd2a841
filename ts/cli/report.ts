import type { Command } from '@commander-js/extra-typings';

import { SimgptError } from '../errors.js';
import { printJson } from './print.js';
import { forTerminalLine } from './terminal.js';

interface ReportFlags {
  readonly model?: string;
  readonly priceTable?: string;
  readonly overlap?: string;
  readonly json?: true;
}

export function register(program: Command): void {
  program
    .command('report')
    .description('write card.md and report.html of a finished generation run once more')
    .argument('<run>', 'the folder of the run')
    .option(
      '--model <path or id>',
      'an encoder: similarities of the pairs, topics, near duplicates by it',
    )
    .option('--price-table <file>', 'prices by model, for money beside tokens')
    .option('--overlap <file>', "what simgpt data overlap found in the run's data.jsonl")
    .option('--json', 'print the names of the files as one JSON object')
    .action((path, flags) => rebuild(path, flags));
}

async function rebuild(folder: string, flags: ReportFlags): Promise<void> {
  const [{ openRunFolder }, { reportLedger }, { writeReport }] = await Promise.all([
    import('../generate/run_folder.js'),
    import('../generate/ledger_report.js'),
    import('./generation_report.js'),
  ]);
  await using run = await openRunFolder(folder, { create: false });
  const { plan, commit, ledger, fold } = run.state;
  if (plan === undefined || commit === undefined || commit.plan !== plan.hash) {
    throw new SimgptError(
      'dataInvalid',
      `expected a finished run in ${folder}, found one that is not: run its generate again`,
    );
  }
  const names = await writeReport(
    folder,
    { plan: plan.plan, commit, ledger: reportLedger(ledger, fold?.totals) },
    flags,
  );
  if (flags.json === true) await printJson({ files: names });
  else
    process.stderr.write(
      names.map((name) => `${forTerminalLine(`${folder}/${name}`, 1000)}\n`).join(''),
    );
}
