import { createDigestMap } from '../files/digest_map.js';
import { permutation } from '../random/shuffle.js';
import { comparableText } from './minhash.js';
import type { TrainingExample } from './training_example.js';

type Texts = Pick<TrainingExample, 'anchor' | 'positive' | 'hardNegatives'>;

const sampleStream = 0x5a3b1e00;
const splitStream = 0x5b117000;

/** Which `count` of `rows` rows a seed draws, each as likely as any other: 1 for those. */
export function sampleRows(rows: number, count: number, seed: number): Uint8Array {
  const drawn = new Uint8Array(rows);
  const order = permutation(rows, { seed, stream: sampleStream, draw: 0 });
  for (const row of order.subarray(0, count)) {
    drawn[row] = 1;
  }
  return drawn;
}

/** A part of a split and its share of the rows, > 0. */
export interface SplitPart {
  readonly name: string;
  readonly share: number;
}

/** Rows tied together by the texts they have in common, case and white space apart. */
export interface TextComponents {
  readonly add: (example: Texts) => void;
  /** For each row the first row of its component. */
  readonly roots: () => Uint32Array;
}

/** Union-find over rows (Tarjan 1975); 48 bytes of memory a distinct text at most. */
export function createTextComponents(): TextComponents {
  const parents: number[] = [];
  const rowOfText = createDigestMap();
  const rootOf = (row: number): number => {
    let root = row;
    while (parents[root] !== root) {
      root = parents[root]!;
    }
    for (let at = row; parents[at] !== root;) {
      const next = parents[at]!;
      parents[at] = root;
      at = next;
    }
    return root;
  };
  return {
    add: ({ anchor, positive, hardNegatives }) => {
      const row = parents.length;
      parents.push(row);
      for (const text of [anchor, positive, ...hardNegatives].map(comparableText)) {
        const first = rowOfText.get(text)?.position;
        if (first === undefined) {
          rowOfText.set(text, 0, { position: row, bytes: 1 });
        } else {
          const [a, b] = [rootOf(first), rootOf(row)];
          parents[Math.max(a, b)] = Math.min(a, b);
        }
      }
    },
    roots: () => Uint32Array.from(parents, (_, row) => rootOf(row)),
  };
}

/**
 * The part of each row, by its index in `parts`: whole components at a time, so that no text is in
 * two parts, the largest first and the rest in an order that the seed decides, each to the part that
 * lacks most. Throws RangeError where the shares are none.
 */
export function splitRows(
  roots: Uint32Array,
  parts: readonly SplitPart[],
  seed: number,
): Uint32Array {
  const total = parts.reduce((sum, { share }) => sum + share, 0);
  if (parts.some(({ share }) => !(share > 0)) || !Number.isFinite(total)) {
    throw new RangeError('expected each part of a split to have a share > 0');
  }
  const sizes = new Map<number, number>();
  for (const root of roots) {
    sizes.set(root, (sizes.get(root) ?? 0) + 1);
  }
  const components = [...sizes];
  const order = permutation(components.length, { seed, stream: splitStream, draw: 0 });
  const shuffled = Array.from(order, (i) => components[i]!);
  const lacking = parts.map(({ share }) => (share / total) * roots.length);
  const partOfRoot = new Map<number, number>();
  for (const [root, size] of shuffled.sort(([, a], [, b]) => b - a)) {
    const part = lacking.indexOf(Math.max(...lacking));
    lacking[part]! -= size;
    partOfRoot.set(root, part);
  }
  return roots.map((root) => partOfRoot.get(root)!);
}
