import { capShares } from '../diversity/shares.js';
import { SimgptError } from '../errors.js';
import type { RowFilter } from './artefact.js';

/**
 * Lets no source have more than `maxShare` of the rows: of each the first rows stay. `sources` are
 * those of all rows in their order. Throws SimgptError `dataInvalid` where there are too few sources.
 */
export function sourceCap(sources: readonly string[], maxShare: number): RowFilter {
  const kept = keptRows(sources, maxShare);
  let row = 0;
  return {
    name: 'share of a source',
    check: ({ source = '' }) => {
      const stays = kept[row] === 1;
      row += 1;
      if (stays) return undefined;
      const detail = `expected at most ${maxShare} of the rows from "${source}", received one more`;
      return { reason: 'sourceShare', detail };
    },
  };
}

function keptRows(sources: readonly string[], maxShare: number): Uint8Array {
  try {
    return capShares(sources, maxShare);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SimgptError(
      'dataInvalid',
      `${error.message} (rows by source): every answer is kept; raise the share and run again`,
      { cause: error },
    );
  }
}
