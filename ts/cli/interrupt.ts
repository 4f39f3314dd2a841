import { SimgptError } from '../errors.js';
import { exitCodes } from './exit_codes.js';
import type { ExitCode } from './exit_codes.js';

let controller: AbortController | undefined;
let received: ExitCode | undefined;

/**
 * A signal that Ctrl-C or SIGTERM aborts, so that a command can stop cleanly and leave nothing
 * half-written. A second Ctrl-C ends the process at once. Until a command asks for it, the signals
 * keep their usual effect.
 */
export function interruptSignal(): AbortSignal {
  if (controller === undefined) {
    const stop = (controller = new AbortController());
    const onSignal = (code: ExitCode, name: string): void => {
      if (received !== undefined) {
        process.exit(received);
      }
      received = code;
      stop.abort(new SimgptError('cancelled', `stopped by ${name}`));
    };
    process.on('SIGINT', () => onSignal(exitCodes.interrupted, 'SIGINT'));
    process.on('SIGTERM', () => onSignal(exitCodes.terminated, 'SIGTERM'));
  }
  return controller.signal;
}

/** 130 or 143 once a signal has arrived. */
export function interruptedWith(): ExitCode | undefined {
  return received;
}
