import { InvalidArgumentError, Option } from '@commander-js/extra-typings';

import { exampleRoles } from '../dataset/training_example.js';

/** `--columns anchor=sentence1`, for files whose columns have other names than ours. */
export function columnsOption(): Option {
  return new Option(
    '--column, --columns <name=column>',
    `of pairs and triples, which column is the ${exampleRoles.slice(0, 3).join(', ')}, …; may be repeated`,
  ).argParser((given: string, before: Readonly<Record<string, string>> | undefined) => {
    const at = given.indexOf('=');
    const role = exampleRoles.find((name) => name === given.slice(0, Math.max(at, 0)));
    if (role === undefined || at === given.length - 1) {
      throw new InvalidArgumentError(
        `expected NAME=COLUMN, NAME out of ${exampleRoles.join(', ')}, received ${given.slice(0, 80)}`,
      );
    }
    return { ...before, [role]: given.slice(at + 1) };
  });
}
