import type { Command } from '@commander-js/extra-typings';

// The work is scripts/setup.mjs, which needs nothing compiled: bin/simgpt.mjs runs it directly, and
// this file only gives `simgpt --help` its line and `simgpt setup --help` its text.
export function register(program: Command): void {
  program
    .command('setup')
    .description('find or fetch LibTorch and build the addon')
    .option('--only <part>', 'one part: libtorch, native or ts')
    .option('--force', 'build again even where nothing changed')
    .option('--json', 'print the outcome as one JSON object')
    .action(() => {
      throw new Error('expected to be started as bin/simgpt.mjs setup');
    });
}
