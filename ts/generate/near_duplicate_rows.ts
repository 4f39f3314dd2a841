import { createNearDuplicateIndex } from '../dataset/near_duplicates.js';
import type { RowFilter } from './artefact.js';

/**
 * Drops rows whose anchor and positive together are nearly those of an earlier row that was kept:
 * Jaccard similarity of character 5-grams (METHODS 11.5). Throws RangeError for a threshold out of
 * range. It holds the rows' texts in memory.
 */
export function nearDuplicateRows(threshold: number): RowFilter {
  const index = createNearDuplicateIndex({ threshold });
  const ids: string[] = [];
  return {
    name: 'near duplicates',
    check: ({ id, anchor, positive }) => {
      const text = `${anchor}\n${positive}`;
      const [nearest] = index.matches(text);
      if (nearest === undefined) {
        index.add(text);
        ids.push(id);
        return undefined;
      }
      const similarity = nearest.similarity.toFixed(3);
      const detail = `expected a new row, received one of similarity ${similarity} to ${ids[nearest.index]}`;
      return { reason: 'duplicate', detail };
    },
  };
}
