import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repoRoot } from '../shared_data.js';

/** A plain model folder of 24 dimensions and 40 tokens that is part of the repository. */
export const goldenModel = join(repoRoot, 'test/golden/bert-erf');

interface GoldenText {
  readonly text: string;
  readonly embeddings: Readonly<Record<string, readonly number[]>>;
}

/** Its texts with the embeddings that the reference computes in float64. */
export async function goldenTexts(): Promise<readonly GoldenText[]> {
  const json = await readFile(join(goldenModel, 'golden.json'), 'utf8');
  return (JSON.parse(json) as { texts: readonly GoldenText[] }).texts;
}

/** Throws where two vectors differ by more than rounding in float32 explains. */
export function expectClose(received: ArrayLike<number>, expected: readonly number[]): void {
  const gaps = expected.map((value, i) => Math.abs(value - received[i]!));
  if (received.length !== expected.length || !(Math.max(...gaps) < 1e-4)) {
    throw new Error(`expected the same vector to 1e-4, received a gap of ${Math.max(...gaps)}`);
  }
}
