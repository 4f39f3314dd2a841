import { Argument } from '@commander-js/extra-typings';
import type { Command } from '@commander-js/extra-typings';

import { recipeNames } from '../generate/recipes/registry.js';
import { generationOptions } from './generation_options.js';
import type { GenerationFlags } from './generation_options.js';

export function register(program: Command): void {
  const command = program
    .command('generate')
    .description('have an LLM write training data; every answer is bought once and kept')
    .addArgument(new Argument('<recipe>', 'what is asked for').choices(recipeNames));
  for (const option of generationOptions()) command.addOption(option);
  command.addHelpText('after', help);
  command.action(async (recipe, flags) => {
    const { runGeneration } = await import('./generation_run.js');
    await runGeneration(recipe, flags as unknown as GenerationFlags);
  });
}

const help = `
The same command again goes on where it ended; a finished run says so and does nothing. Another
template, model or seed is another plan: answers that still fit are not bought again.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with dropped rows, 5 stopped by a cap or by the
account's quota, 130 and 143 interrupted.

Example
  simgpt generate simgpt --input sentences.txt --output run --llm MODEL --dry-run
`;
