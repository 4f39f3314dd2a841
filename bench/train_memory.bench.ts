// Does one training step on 4,096 triples of MiniLM stay within 2 GB?
//
// The gradient cache at its default tokens a pass: float32, dropout 0.1, InfoNCE over 4,096 positives and
// 4,096 hard negatives, clipping and AdamW. Peak is that of the whole process, Node and the model with its
// optimizer included. The same step in passes of 1,000 tokens must give the same loss and gradient norm;
// it comes second, so that the peak is the first one's.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import { Encoder, Optimizer } from '#dist/index.js';
import { benchOptions } from './harness/options.js';
import { modelDir, sharedDir } from './harness/places.js';
import { fixed, print } from './harness/report.js';

const options = benchOptions();
const count = options.quick ? 64 : 4096;
const target = 2e9;
const path = join(sharedDir(), 'data/pairs/nli_triplets.tsv');
const lines = readFileSync(path, 'utf8').split('\n');
const rows = lines.slice(1, count + 1).map((line) => line.split('\t').slice(2));
const column = (place: number): string[] => rows.map((row) => row[place] ?? '');
const batch = {
  anchors: column(0),
  positives: column(1),
  hardNegatives: column(2).map((text) => [text]),
  exampleIds: rows.map((_, row) => row),
};

await using encoder = await Encoder.load(modelDir(), {
  trains: { kind: 'all' },
  dropout: { hidden: 0.1, attention: 0.1 },
  threads: options.threads,
});
await using optimizer = new Optimizer(encoder);
const megabytes = (): string => `${Math.round((process.resourceUsage().maxRSS * 1024) / 1e6)} MB`;
print(`${rows.length} triples; model loaded: peak ${megabytes()}`);

async function step(chunkTokens?: number): Promise<{ loss: number; gradientNorm: number }> {
  const start = performance.now();
  const more = chunkTokens === undefined ? {} : { chunkTokens };
  const loss = { kind: 'infoNce', temperature: 0.05 } as const;
  const seen = await encoder.accumulateGradients(batch, loss, { step: 0, ...more });
  const gradientNorm = await optimizer.step({ learningRate: 0, maxGradNorm: 1 });
  const seconds = (performance.now() - start) / 1000;
  const name = chunkTokens === undefined ? 'by default' : `of ${chunkTokens} tokens`;
  print(`  chunks ${name}: loss ${seen.loss}, norm ${gradientNorm}, ${fixed(seconds)} s`);
  return { loss: seen.loss, gradientNorm };
}

const chosen = await step();
const peak = process.resourceUsage().maxRSS * 1024;
print(`peak ${megabytes()}, target ${target / 1e6} MB${peak > target ? ': missed' : ''}`);
const finer = await step(1000);
for (const key of ['loss', 'gradientNorm'] as const) {
  if (!(Math.abs(finer[key] / chosen[key] - 1) < 1e-4)) {
    throw new Error(`expected the same ${key}, received ${chosen[key]} and ${finer[key]}`);
  }
}
