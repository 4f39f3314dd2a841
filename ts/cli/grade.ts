import { join } from 'node:path';
import type { Command } from '@commander-js/extra-typings';

import { generationOptions } from './generation_options.js';
import type { GenerationFlags } from './generation_options.js';
import { describeSurvivors } from './survivors.js';

export function register(program: Command): void {
  const command = program
    .command('grade')
    .description('have an LLM grade the pairs of triples one already has, from 0 to 5');
  for (const option of generationOptions()) command.addOption(option);
  command.addHelpText('after', help);
  command.action((flags) => run(flags as unknown as GenerationFlags));
}

const help = `
Roles are swapped and triples dropped by MultiCSR's pre-filter (--set preFilter=off: they are not).
What each curation rule would leave is printed in the end; simgpt curate keeps it.
`;

async function run(flags: GenerationFlags): Promise<void> {
  const { runGeneration } = await import('./generation_run.js');
  const result = await runGeneration('grade', flags);
  if (result?.commit === undefined || flags.json === true) return;
  const [{ curateFile }, { defaultRule }] = await Promise.all([
    import('../generate/curate_file.js'),
    import('../generate/curate.js'),
  ]);
  const { dataName } = await import('../generate/artefact.js');
  const data = result.commit.files.find(({ name }) => name === dataName);
  if (data === undefined || data.rows === 0) return;
  const path = join(flags.output!, dataName);
  const { survivors, triples } = await curateFile(path, { rule: defaultRule });
  const lines = describeSurvivors(survivors, triples);
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
}
