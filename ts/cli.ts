import { readFile } from 'node:fs/promises';
import { Command, CommanderError } from '@commander-js/extra-typings';
import { exitCodes } from './cli/exit_codes.js';
import type { CommandModule } from './cli/command.js';
import { reportFailure } from './cli/failure.js';
import { forTerminal } from './cli/terminal.js';

// In the order in which --help lists them. Only the file of the named command is loaded.
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  start: () => import('./cli/start.js'),
  embed: () => import('./cli/embed.js'),
  similarity: () => import('./cli/similarity.js'),
  train: () => import('./cli/train.js'),
  export: () => import('./cli/export.js'),
  evaluate: () => import('./cli/evaluate.js'),
  generate: () => import('./cli/generate.js'),
  grade: () => import('./cli/grade.js'),
  label: () => import('./cli/label.js'),
  judge: () => import('./cli/judge.js'),
  curate: () => import('./cli/curate.js'),
  report: () => import('./cli/report.js'),
  ledger: () => import('./cli/ledger.js'),
  verify: () => import('./cli/verify.js'),
  data: () => import('./cli/data.js'),
  setup: () => import('./cli/setup.js'),
  doctor: () => import('./cli/doctor.js'),
};

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

async function createProgram(named: string | undefined): Promise<Command> {
  const program = new Command('simgpt')
    .description('Text-embedding models: embed, compare, evaluate')
    .version(await packageVersion())
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(forTerminal(text)) });
  const load = named !== undefined && Object.hasOwn(commands, named) ? [commands[named]!] : [];
  for (const command of load.length > 0 ? load : Object.values(commands)) {
    (await command()).register(program);
  }
  return program;
}

/** Runs one command line (without node and script) and sets the exit code; never throws. */
export async function main(args: readonly string[]): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader of a pipe went away, as `head` does: nobody is left to tell.
    process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.failed);
  });
  try {
    const program = await createProgram(args[0]);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    } else {
      process.exitCode = reportFailure(error);
    }
  }
}
