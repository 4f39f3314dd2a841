// What the comparisons share: one arm is one training run, scored on the seven STS test sets (mteb).
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Encoder, evaluateSts, loadStsData } from '../../dist/index.js';
import { encodeTexts } from '../../dist/evaluate/encode_texts.js';
import { readDevSets, scoreDevSets } from '../../dist/train/dev_sets.js';
import { spreadOf } from '../../dist/train/seeds.js';
import { train } from '../../dist/train/train.js';

export const modelName = 'all-MiniLM-L6-v2';

/** MiniLM as it is used: its own mean pooling, no head. */
export const asMiniLm = { pooling: 'asModel', head: { train: 'none', test: 'none' } };

export const nliColumns = { anchor: 'sentence1', hardNegatives: ['negative'] };

export function nliFile(shared) {
  return { path: join(shared, 'data/pairs/nli_triplets.tsv'), columns: nliColumns };
}

/** Trains one arm in its folder; found done, it is left as it is. Progress goes to stdout. */
export async function trainArm(output, options) {
  const { runs } = await train({
    ...options,
    checkpointEvery: 20,
    output,
    onEvent: (event) => {
      if (event.kind === 'run') print(`  ${output}: ${event.totalSteps} steps`);
      if (event.kind === 'step' && event.step % 20 === 0) {
        print(`    step ${event.step}, loss ${event.loss.toFixed(4)}`);
      }
    },
  });
  return runs[0];
}

/** The sets that models are scored on, read once. */
export async function readEvaluation(shared) {
  const folder = join(shared, 'data/sts');
  const sts = await loadStsData({ folders: [folder], protocol: 'mteb' });
  return { sts, dev: await readDevSets(folder, ['stsb-dev']) };
}

/**
 * Spearman x 100 of a model folder at each number of leading dimensions, by default all: `average` of the
 * seven test sets, each of them, and STS-B dev. Every text is encoded once. Kept in `file` where one is
 * named.
 */
export async function scoreModel(model, { sts, dev }, { sizes, file, threads } = {}) {
  if (file !== undefined && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const vectors = await vectorsOf(model, [...sts.sets, ...dev], threads);
  const scores = {};
  for (const size of sizes ?? [vectors.dimensions]) {
    const cut = truncated(vectors, size);
    const { tasks } = await evaluateSts(cut, sts, { draws: 2 });
    const { sets } = await scoreDevSets(cut, dev);
    const byTask = Object.fromEntries(tasks.map(({ name, spearman }) => [name, 100 * spearman]));
    const values = Object.values(byTask);
    scores[size] = { average: mean(values), dev: 100 * sets[0].spearman, ...byTask };
  }
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(scores, undefined, 1)}\n`);
  return scores;
}

async function vectorsOf(model, sets, threads) {
  const rowOf = new Map();
  for (const text of sets.flatMap(({ left, right }) => [...left, ...right])) {
    if (!rowOf.has(text)) rowOf.set(text, rowOf.size);
  }
  const encoder = await Encoder.load(model, { precision: 'float32', threads });
  try {
    const { embeddings, dimensions } = await encodeTexts(encoder, [...rowOf.keys()], {});
    return { embeddings, dimensions, rowOf };
  } finally {
    await encoder.dispose();
  }
}

/** The encoder that keeps the first dimensions of vectors that are there; cosine needs no norm. */
function truncated({ embeddings, dimensions, rowOf }, size) {
  return {
    embed: async (texts) => {
      const rows = new Float32Array(texts.length * size);
      for (const [place, text] of texts.entries()) {
        const from = rowOf.get(text) * dimensions;
        rows.set(embeddings.subarray(from, from + size), place * size);
      }
      const shape = [texts.length, size];
      return { embeddings: rows, shape, truncated: new Uint8Array(texts.length) };
    },
  };
}

// Student's t, 97.5 %, for 1 to 9 degrees of freedom.
const t975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

/** Mean of paired differences over seeds with its 95 % interval by Student's t. */
export function pairedGain(ours, others) {
  const differences = ours.map((value, i) => value - others[i]);
  const { mean: gain, sd } = spreadOf(differences);
  const half = (t975[differences.length - 2] * sd) / Math.sqrt(differences.length);
  return { gain, interval: [gain - half, gain + half], differences };
}

export function mean(values) {
  return spreadOf(values).mean;
}

/** Mean and sample sd, as `78.94 (0.12)`. */
export function spreadText(values) {
  const { mean: middle, sd } = spreadOf(values);
  return `${middle.toFixed(2)} (${(sd ?? 0).toFixed(2)})`;
}

export function gainText({ gain, interval: [low, high] }) {
  return `${gain.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

export function print(line) {
  process.stdout.write(`${line}\n`);
}

export function readMetrics(folder) {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'step');
}

/** Copies what a stored run keeps: its metrics, and where asked what it was. */
export function keepRun(from, to, withPlan) {
  mkdirSync(to, { recursive: true });
  for (const name of withPlan ? ['run.json', 'metrics.jsonl'] : ['metrics.jsonl']) {
    copyFileSync(join(from, name), join(to, name));
  }
}
