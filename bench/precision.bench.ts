// What does bfloat16 cost in quality against float32, on STS-B and on a retrieval set?
//
// The gate of PERFORMANCE 9 for 'auto' to choose it: at most 0.1 Spearman point (x 100), row
// cosines to float32 of at least 0.999. CISI: 1,460 documents, 76 judged queries, nDCG@10
// (gain = grade, discount log2(rank + 1), ideal from all judged documents). Fails where the gate
// is not met. No speed is measured here.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Encoder } from '#dist/index.js';
import { cosineOfRows, spearman } from '#dist/evaluate/metrics.js';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import { native } from '#dist/native.js';
import { fixed, print } from './harness/report.js';
import { sharedDir } from './harness/places.js';

const greatestLoss = 0.1;
const leastCosine = 0.999;

interface Scores {
  readonly sts: number;
  readonly retrieval: number;
  readonly rows: Float32Array;
  readonly dimensions: number;
}

const cisi = join(sharedDir(), 'data/retrieval/cisi');
const documents = await readRows('corpus.jsonl');
const queries = await readRows('queries.jsonl');
const grades = await readGrades();
const [stsb] = (
  await loadStsData({ folders: [join(sharedDir(), 'data/sts')], protocol: 'mteb', tasks: ['stsb'] })
).sets;

const { bf16, amx } = native().cpuInfo();
if (bf16 || amx) {
  const wide = await score('float32');
  const narrow = await score('bfloat16');
  const cosine = lowestCosine(wide, narrow);
  print(`STS-B Spearman x 100: float32 ${fixed(wide.sts)}, bfloat16 ${fixed(narrow.sts)}`);
  print(
    `CISI nDCG@10 x 100: float32 ${fixed(wide.retrieval)}, bfloat16 ${fixed(narrow.retrieval)}`,
  );
  print(`lowest cosine of a row to its float32 row: ${cosine.toFixed(6)}`);
  const holds = wide.sts - narrow.sts <= greatestLoss && cosine >= leastCosine;
  if (!holds) throw new Error('expected bfloat16 within the gate of PERFORMANCE 9');
} else {
  print('this processor has no bfloat16 instructions: nothing to compare');
}

async function score(precision: 'float32' | 'bfloat16'): Promise<Scores> {
  const model = join(sharedDir(), 'models/all-MiniLM-L6-v2');
  await using encoder = await Encoder.load(model, { precision });
  const left = stsb?.left ?? [];
  const texts = [...left, ...(stsb?.right ?? []), ...documents.texts, ...queries.texts];
  const { embeddings, shape } = await encoder.embed(texts, { normalize: true });
  const from = Uint32Array.from(left, (_, i) => i);
  const to = from.map((i) => i + left.length);
  const similarities = cosineOfRows(embeddings, shape[1], from, to);
  const sts = 100 * spearman(stsb?.gold ?? new Float64Array(), similarities);
  const retrieval = 100 * ndcgAt10(embeddings.subarray(2 * left.length * shape[1]), shape[1]);
  return { sts, retrieval, rows: embeddings, dimensions: shape[1] };
}

/** embeddings: documents, then queries. */
function ndcgAt10(embeddings: Float32Array, dimensions: number): number {
  const row = (i: number) => embeddings.subarray(i * dimensions, (i + 1) * dimensions);
  const scores = queries.ids.flatMap((id, q) => {
    const judged = grades.get(id);
    if (judged === undefined) return [];
    const query = row(documents.ids.length + q);
    const hits = documents.ids
      .map((document, d) => ({ document, cosine: dot(query, row(d)) }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, 10)
      .map(({ document }) => judged.get(document) ?? 0);
    const ideal = [...judged.values()].sort((a, b) => b - a).slice(0, 10);
    return [discounted(hits) / discounted(ideal)];
  });
  return scores.reduce((sum, value) => sum + value, 0) / scores.length;
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}

function lowestCosine(a: Scores, b: Scores): number {
  let lowest = 1;
  for (let start = 0; start < a.rows.length; start += a.dimensions) {
    const end = start + a.dimensions;
    lowest = Math.min(lowest, dot(a.rows.subarray(start, end), b.rows.subarray(start, end)));
  }
  return lowest;
}

async function readRows(name: string): Promise<{ ids: string[]; texts: string[] }> {
  const lines = (await readFile(join(cisi, name), 'utf8'))
    .split('\n')
    .filter((line) => line !== '');
  const rows = lines.map(
    (line) => JSON.parse(line) as { _id: string; title?: string; text: string },
  );
  return {
    ids: rows.map(({ _id }) => _id),
    texts: rows.map(({ title, text }) => (title === undefined ? text : `${title} ${text}`)),
  };
}

async function readGrades(): Promise<Map<string, Map<string, number>>> {
  const lines = (await readFile(join(cisi, 'qrels.tsv'), 'utf8')).trim().split('\n').slice(1);
  const all = new Map<string, Map<string, number>>();
  for (const line of lines) {
    const [query = '', document = '', grade = ''] = line.split('\t');
    const judged = all.get(query) ?? new Map<string, number>();
    all.set(query, judged.set(document, Number(grade)));
  }
  return all;
}
