import { exitCodes } from './exit_codes.js';
import type { ExitCode } from './exit_codes.js';
import { interruptedWith } from './interrupt.js';
import { forTerminal } from './terminal.js';

// Misuse of the API reached from the command line is the user's: our TypeError and RangeError say
// "expected ...", the engine's own do not and are defects of ours.
function isUsage(error: Error): boolean {
  return (
    (error instanceof TypeError || error instanceof RangeError) &&
    error.message.startsWith('expected ')
  );
}

/** Prints one sentence on stderr (with the stack where SIMGPT_DEBUG is set); returns the exit code. */
export function reportFailure(error: unknown): ExitCode {
  const failure = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`simgpt: ${forTerminal(failure.message)}\n`);
  if (process.env['SIMGPT_DEBUG']) {
    process.stderr.write(`${forTerminal(failure.stack ?? '')}\n`);
  }
  const interrupted = interruptedWith();
  if (interrupted !== undefined) {
    return interrupted;
  }
  return isUsage(failure) ? exitCodes.usage : exitCodes.failed;
}
