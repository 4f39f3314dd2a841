import type { Command } from '@commander-js/extra-typings';

/**
 * What each file of `cli/` exports: it adds one command to the program. Keep its top-level imports
 * light and `await import()` the stage it drives inside the action, so that `--help` and `doctor`
 * never load the addon.
 */
export interface CommandModule {
  readonly register: (program: Command) => void;
}
