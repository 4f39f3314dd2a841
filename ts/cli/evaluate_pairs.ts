import type { Command } from '@commander-js/extra-typings';

import type { GradedPairsScore } from '../evaluate/graded_pairs.js';
import { interruptSignal } from './interrupt.js';
import { embedOptions, loadModel, modelOptions } from './model_options.js';
import type { ModelFlags } from './model_options.js';
import { printJson, printResult } from './print.js';
import { forTerminalLine } from './terminal.js';

interface PairsFlags extends ModelFlags {
  readonly data?: string;
  readonly split?: string;
  readonly json?: boolean;
}

export function registerPairs(evaluate: Command): void {
  const command = evaluate
    .command('pairs')
    .description('one file of graded pairs, our own 210 unless named: Spearman x 100')
    .option('--data <file>', 'header "split subset score sentence1 sentence2", tabs, no quoting')
    .option('--split <name>', 'only the rows of one split')
    .option('--json', 'print one JSON object');
  for (const option of modelOptions({ precision: 'float32' })) command.addOption(option);
  command.action((flags) => run(flags as unknown as PairsFlags));
}

async function run(flags: PairsFlags): Promise<void> {
  const [{ scoreGradedPairs }, { shippedData }] = await Promise.all([
    import('../evaluate/graded_pairs.js'),
    import('../generate/shipped_data.js'),
  ]);
  const signal = interruptSignal();
  const { split, data = shippedData('pairs.tsv') } = flags;
  await using encoder = await loadModel(flags, signal);
  const options = { split, signal, embed: embedOptions(flags) };
  const score = await scoreGradedPairs(encoder, data, options);
  const { id } = encoder.checkpoint;
  if (flags.json === true) return printJson({ model: id, ...score });
  await printResult(`${forTerminalLine(id)}: ${describePairs(score)}\n`);
}

/** Count, Spearman x 100 and its interval. */
export function describePairs({ pairs, spearman, interval }: GradedPairsScore): string {
  const [low, high] = interval.map((rho) => (100 * rho).toFixed(2));
  const rho = (100 * spearman).toFixed(2);
  return `${pairs} graded pairs, Spearman x 100: ${rho} (95 % interval ${low} to ${high})`;
}
