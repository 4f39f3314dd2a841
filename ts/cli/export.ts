import { Option } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';

import { exportDtypes } from '../encoder/export.js';
import type { ExportDtype } from '../encoder/export.js';
import { heads, poolings } from '../encoder/pooling.js';
import type { Head, Pooling } from '../encoder/pooling.js';
import { interruptSignal } from './interrupt.js';
import { listArgument } from './model_options.js';
import { forTerminalLine } from './terminal.js';

interface ExportFlags {
  readonly output: string;
  readonly dtype?: ExportDtype | undefined;
  readonly revision?: string | undefined;
  readonly pooling?: readonly Pooling[] | undefined;
  readonly head?: Head | undefined;
}

export function register(program: Command): void {
  program
    .command('export')
    .description('write a model as a sentence-transformers folder, in float16 if asked')
    .argument('<model>', 'model folder or hub id')
    .requiredOption('--output <folder>', 'the new folder; must not be there')
    .addOption(
      new Option('--dtype <name>', 'how weights are stored (default: as they are)').choices(
        exportDtypes,
      ),
    )
    .option('--revision <name>', 'branch, tag or commit of a hub model')
    .addOption(
      new Option(
        '--pooling <names>',
        `for a plain folder, joined by commas: ${poolings.join(', ')}`,
      ).argParser(listArgument(poolings)),
    )
    .addOption(
      new Option('--head <name>', 'what follows pooling, for a plain folder').choices(heads),
    )
    .action(run);
}

async function run(model: string, flags: ExportFlags): Promise<void> {
  const [{ resolveModel }, { readCheckpoint }, { exportCheckpoint }] = await Promise.all([
    import('../encoder/hub.js'),
    import('../encoder/checkpoint.js'),
    import('../encoder/export.js'),
  ]);
  const signal = interruptSignal();
  const { output, dtype, revision, pooling, head } = flags;
  const found = await resolveModel(model, { revision, signal });
  const { dir, ...origin } = found;
  const checkpoint = await readCheckpoint(dir, { ...origin, pooling, head });
  await exportCheckpoint(checkpoint, output, { dtype, signal });
  const how = dtype === undefined ? '' : ` in ${dtype}`;
  process.stderr.write(
    `${forTerminalLine(checkpoint.id)}${how}: ${forTerminalLine(output, 1000)}\n`,
  );
}
