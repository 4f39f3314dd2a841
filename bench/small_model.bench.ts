// How much faster is simgpt-small, the model that ships, than all-MiniLM-L6-v2, its teacher?
//
// Both by simgpt, each in a process of its own, float32, on the same texts, from texts to vectors;
// the model alone is that less the time of tokenising the same texts. S = 128: words that are one
// token in both vocabularies. Mixed lengths: sentences of the STS sets and abstracts of CISI, cut at
// 256 tokens. The mean of the seven STS sets (mteb) is computed on both sides first.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { cosineOfRows, spearman } from '#dist/evaluate/metrics.js';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import { exactTexts } from './harness/model.js';
import { benchOptions } from './harness/options.js';
import { modelName, ourSide, sharedDir, shippedModelDir } from './harness/places.js';
import { fixed, print, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import type { Samples } from './harness/rounds.js';
import { Side } from './harness/side.js';
import { median } from './harness/statistics.js';

const target = 1.8;
const leastMean = 76;
const batch = 32;

const options = benchOptions();
const rounds = options.rounds ?? (options.quick ? 1 : 10);
const sets = await loadStsData({ folders: [join(sharedDir(), 'data/sts')], protocol: 'mteb' });
const distinct = [...new Set(sets.sets.flatMap((set) => [...set.left, ...set.right]))];
const teacherDir = join(sharedDir(), 'models', modelName);

await using small = await Side.start(ourSide(shippedModelDir, 'simgpt-small'), options);
await using teacher = await Side.start(ourSide(teacherDir, modelName), options);
const sides = [small, teacher];

if (options.quick) print('STS means are left out by --quick');
else await checkScores();
const rows = options.quick ? 16 : 64;
await measure('S=128', exactTexts(rows, 128, 128, shippedModelDir).texts);
await measure('mixed lengths', mixedTexts(options.quick ? 16 : 100));

async function checkScores(): Promise<void> {
  const means = [];
  for (const side of sides) {
    await side.give('sts', { texts: distinct });
    means.push(meanSpearman(await side.embeddings('sts', batch)));
    print(`STS mean (mteb) of ${side.name}: ${fixed(means.at(-1)!)}`);
  }
  if (!(means[0]! >= leastMean && Math.abs(means[1]! - 78.94) <= 0.02)) {
    throw new Error(`expected a mean of at least ${leastMean}, and 78.94 of ${modelName}`);
  }
}

function meanSpearman(embeddings: Float32Array): number {
  const rowOf = new Map(distinct.map((text, row) => [text, row]));
  const width = embeddings.length / distinct.length;
  const at = (texts: readonly string[]) => Uint32Array.from(texts, (text) => rowOf.get(text)!);
  const scores = sets.sets.map(
    (set) => 100 * spearman(set.gold, cosineOfRows(embeddings, width, at(set.left), at(set.right))),
  );
  return scores.reduce((total, score) => total + score, 0) / scores.length;
}

/** One abstract to fifteen sentences: about as many tokens of each. */
function mixedTexts(abstracts: number): readonly string[] {
  const corpus = readFileSync(join(sharedDir(), 'data/retrieval/cisi/corpus.jsonl'), 'utf8');
  const long = corpus
    .split('\n', abstracts)
    .map((line) => (JSON.parse(line) as { text: string }).text);
  const step = Math.floor(distinct.length / (15 * abstracts));
  const short = distinct.filter((_, i) => i % step === 0).slice(0, 15 * abstracts);
  return [...short, ...long];
}

async function measure(name: string, texts: readonly string[]): Promise<void> {
  for (const side of sides) {
    await side.give(name, { texts });
    await side.give(`${name}, tokens`, { texts, only: 'tokens' });
  }
  const run = (input: string): Promise<Samples[]> =>
    runRounds(
      sides.map((side) => ({ name: side.name, call: () => side.embed(input, batch) })),
      { rounds, warmups: 2 },
    );
  const whole = await run(name);
  const tokens = await run(`${name}, tokens`);
  const alone = whole.map((samples, i) => without(samples, tokens[i]!));
  const targets = { [modelName]: target };
  const units = texts.length;
  for (const [samples, what] of [
    [alone, 'model alone'],
    [whole, 'end to end'],
  ] as const) {
    const title = `simgpt-small ${name}, ${units} texts, ${what}`;
    reportCase({ name: title, samples, units, unit: 'sentences', targets }, options);
  }
}

function without(samples: Samples, tokens: Samples): Samples {
  const less = (times: readonly number[], taken: readonly number[]): readonly number[] => {
    const each = median(taken);
    return times.map((seconds) => seconds - each);
  };
  return {
    ...samples,
    seconds: less(samples.seconds, tokens.seconds),
    cpuSeconds: less(samples.cpuSeconds, tokens.cpuSeconds),
  };
}
