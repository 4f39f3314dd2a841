import { fileURLToPath } from 'node:url';

/**
 * The small English encoder that comes with the package, wherever a model is named: the default of
 * every command.
 */
export const shippedModelName = 'simgpt-small';

/** Its folder. */
export const shippedModelFolder = fileURLToPath(
  new URL(`../../models/${shippedModelName}`, import.meta.url),
);
