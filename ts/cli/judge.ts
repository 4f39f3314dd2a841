import type { Command } from '@commander-js/extra-typings';

import { generationOptions } from './generation_options.js';
import type { GenerationFlags } from './generation_options.js';

export function register(program: Command): void {
  const command = program
    .command('judge')
    .description('have an LLM check mined hard negatives: dropped, promoted or kept');
  for (const option of generationOptions()) command.addOption(option);
  command.addHelpText('after', help);
  command.action(async (flags) => {
    const { runGeneration } = await import('./generation_run.js');
    await runGeneration('judge', flags as unknown as GenerationFlags);
  });
}

const help = `
A relevant negative is dropped, or with --set relevant=promote becomes the positive of a row of its
own; a partly relevant one is dropped, or with --set partial=keep stays.
`;
