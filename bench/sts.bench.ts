// How fast do the seven STS sets become vectors, beside sentence-transformers and transformers.js?
//
// Texts in, vectors out: 18,850 pairs, 37,700 texts, SICK-R its 4,927 test pairs. The first case
// gives every side all texts, and ours encodes a repeated text once, as `simgpt evaluate sts` does;
// the second gives every side the distinct texts only.
import { join } from 'node:path';
import { loadStsData } from '#dist/evaluate/sts_data.js';
import { cosineOfRows, spearman } from '#dist/evaluate/metrics.js';
import { requireAgreement } from './harness/agreement.js';
import { benchOptions } from './harness/options.js';
import { sharedDir } from './harness/places.js';
import { fixed, print, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import { Sides } from './harness/sides.js';

const targets = { 'sentence-transformers': 2, 'transformers.js': 2.5 };
// The default of both peers.
const batch = 32;

const options = benchOptions();
const rounds = options.rounds ?? (options.quick ? 1 : 2);
const data = await loadStsData({
  folders: [join(sharedDir(), 'data/sts')],
  protocol: 'senteval',
});
const pairs = data.sets.map((set) =>
  options.quick ? { ...set, left: set.left.slice(0, 40), right: set.right.slice(0, 40) } : set,
);
const all = pairs.flatMap((set) => [...set.left, ...set.right]);
const distinct = [...new Set(all)];
const rowOf = new Map(distinct.map((text, row) => [text, row]));

await using sides = await Sides.start(
  ['sentence-transformers', 'transformers.js'],
  options.threads,
);
for (const side of sides.all) {
  await side.give('all', { texts: all });
  await side.give('distinct', { texts: distinct });
}
await checkAnswers();
await measure('all rows', 'all', all.length);
await measure('distinct texts', 'distinct', distinct.length);

async function checkAnswers(): Promise<void> {
  const ours = await sides.ours.embeddings('distinct', batch);
  const mean = meanSpearman(ours);
  print(`STS mean: simgpt ${fixed(mean)}`);
  for (const peer of sides.peers) {
    const theirs = await peer.embeddings('distinct', batch);
    const { lowestCosine } = requireAgreement(peer.name, ours, theirs, distinct.length);
    const theirMean = meanSpearman(theirs);
    print(
      `STS mean: ${peer.name} ${fixed(theirMean)}, 1 - cosine <= ${(1 - lowestCosine).toExponential(1)}`,
    );
    if (!(Math.abs(mean - theirMean) <= 0.02)) {
      throw new Error(`expected an STS mean within 0.02 of ${peer.name}'s`);
    }
  }
}

function meanSpearman(embeddings: Float32Array): number {
  const width = embeddings.length / distinct.length;
  const rows = (texts: readonly string[]) => Uint32Array.from(texts, (text) => rowOf.get(text)!);
  const scores = pairs.map((set) => {
    const similarities = cosineOfRows(embeddings, width, rows(set.left), rows(set.right));
    return 100 * spearman(set.gold.subarray(0, set.left.length), similarities);
  });
  return scores.reduce((total, score) => total + score, 0) / scores.length;
}

async function measure(name: string, input: string, rows: number): Promise<void> {
  const contestants = sides.all.map((side) => ({
    name: side.name,
    call: () => side.embed(input, batch),
  }));
  // The answers were checked by a full run of every side: all are warm.
  const samples = await runRounds(contestants, {
    rounds,
    warmups: 0,
    onRound: (round) => print(`  ${name}: round ${round + 1} of ${rounds}`),
  });
  const title = `STS end to end, ${name} (${rows})`;
  reportCase({ name: title, samples, units: rows, unit: 'sentences', targets }, options);
}
