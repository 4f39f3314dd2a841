import { Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';
import type { EmbedFileOptions, EmbedFileSummary } from '../corpus/embed_file.js';
import { embeddingFormats } from '../corpus/sinks.js';
import { datasetFormats } from '../dataset/input.js';
import { exitCodes } from './exit_codes.js';
import { interruptSignal } from './interrupt.js';
import { embedOptions, loadModel, modelOptions } from './model_options.js';
import type { ModelFlags } from './model_options.js';
import { printJson } from './print.js';
import { createProgress } from './progress.js';
import { forTerminalLine } from './terminal.js';

type EmbedFlags = ModelFlags & EmbedFileOptions & { readonly json?: boolean };

export function register(program: Command): void {
  const command = program
    .command('embed')
    .description('embed the texts of a file, one row each, in order')
    .requiredOption('--input <file>', 'txt (a text a line), jsonl, csv or tsv; - for stdin')
    .requiredOption('--output <file>', 'npy (float32) or jsonl (id, embedding); - for stdout')
    .option('--text-field <name>', 'field or column of the text (default: text)')
    .option('--id-field <name>', 'field or column of the id (default: id, where there is one)')
    .addOption(
      new Option('--input-format <name>', 'instead of the extension').choices(datasetFormats),
    )
    .addOption(
      new Option('--output-format <name>', 'instead of the extension').choices(embeddingFormats),
    )
    .option('--quarantine <file>', 'where bad rows go (default: <output>.quarantine.jsonl)')
    .option('--overwrite', 'replace an output that exists')
    .option('--strict', 'stop at the first bad row')
    .option('--json', 'print the counts on stdout as one JSON object');
  for (const option of modelOptions({ precision: 'auto' })) {
    command.addOption(option);
  }
  command.action((flags) => run(flags as unknown as EmbedFlags));
}

async function run(flags: EmbedFlags): Promise<void> {
  if (flags.json && flags.output === '-') {
    throw new RangeError('expected --json or --output -, received both: stdout holds one of them');
  }
  const { embedFile, planEmbedFile } = await import('../corpus/embed_file.js');
  const signal = interruptSignal();
  const plan = await planEmbedFile({ ...flags, signal });
  await using encoder = await loadModel(flags, signal);
  const progress = createProgress('texts embedded:');
  const summary = await embedFile(encoder, plan, embedOptions(flags), (rows) =>
    progress.update(rows),
  ).finally(progress.stop);
  if (flags.json) {
    await printJson(summary);
  } else {
    process.stderr.write(describe(summary, encoder.maxTokens));
  }
  process.exitCode = summary.failed > 0 ? exitCodes.partial : exitCodes.done;
}

function describe(summary: EmbedFileSummary, maxTokens: number): string {
  const { ok, total, dimensions, output, failed, truncated, replaced, quarantine } = summary;
  const lines = [`${ok} of ${total} texts, ${dimensions} dimensions, in ${nameOf(output)}`];
  if (failed > 0) {
    lines.push(`${failed} bad rows in ${nameOf(quarantine ?? '')}`);
  }
  if (truncated > 0) {
    lines.push(`${truncated} texts were cut at ${maxTokens} tokens`);
  }
  if (replaced > 0) {
    lines.push(`${replaced} texts held half a surrogate pair, replaced by U+FFFD`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function nameOf(path: string): string {
  return path === '-' ? 'stdout' : forTerminalLine(path, 1000);
}
