import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SentenceEncoder } from '#dist/encoder/sentence_encoder.js';
import { stsTaskNames, stsTasks } from '#dist/evaluate/sts_tasks.js';
import type { StsTaskName } from '#dist/evaluate/sts_tasks.js';

export const tableHeader = 'split\tsubset\tscore\tsentence1\tsentence2';

/** Made-up rows of the published number: the score falls as the sentences share fewer words. */
export function tableOf(task: StsTaskName, pairs: number = stsTasks[task].pairs.mteb): string {
  const words = ['red', 'dog', 'runs', 'far', 'home', 'tree', 'blue', 'sky', 'man', 'sings'];
  const lines = [tableHeader];
  for (let i = 0; i < pairs; i++) {
    const pick = (start: number): string =>
      [0, 1, 2, 3].map((k) => words[(start + k * (1 + (i % 3))) % words.length]).join(' ');
    const shift = i % 6;
    const split = task === 'sickr' && i < 5000 ? 'train' : 'test';
    const score = (5 - shift + (i % 7) / 10).toFixed(1);
    lines.push(
      `${split}\tset${i % 2}\t${score}\t${pick(i)} ${i % 97}\t${pick(i + shift)}  ${i % 97}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Writes the seven files with made-up rows. */
export async function writeTables(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const task of stsTaskNames) {
    await writeFile(join(folder, `${task}.tsv`), tableOf(task));
  }
}

export interface CountingEncoder extends SentenceEncoder {
  readonly encoded: string[];
}

/** Counts words into 16 buckets: equal words give equal vectors. Remembers what it was given. */
export function bagOfWords(dimensions: number = 16): CountingEncoder {
  const encoded: string[] = [];
  return {
    encoded,
    embed: async (texts) => {
      encoded.push(...texts);
      const embeddings = new Float32Array(texts.length * dimensions);
      for (const [row, text] of texts.entries()) {
        for (const word of text.split(/\s+/)) {
          let hash = 7;
          for (const char of word) {
            hash = (Math.imul(hash, 31) + char.codePointAt(0)!) >>> 0;
          }
          embeddings[row * dimensions + (hash % dimensions)]! += 1;
        }
      }
      const truncated = Uint8Array.from(texts, (text) => (text.length > 1000 ? 1 : 0));
      return { embeddings, shape: [texts.length, dimensions], truncated };
    },
  };
}
