// How fast is one SimCSE step of MiniLM on 64 pairs of mixed lengths, beside PyTorch's?
//
// float32, dropout 0.1, InfoNCE at temperature 0.05 with in-batch negatives, clipping and AdamW. First
// every side's loss without dropout must be the same. The peers pad, we do not; their texts are
// tokenised outside the timing, ours within. Learning rate 0 keeps every step the same work.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import { Encoder, Optimizer } from '#dist/index.js';
import { benchOptions } from './harness/options.js';
import { modelDir, peerPython, peersDir, sharedDir } from './harness/places.js';
import { print, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import type { Contestant, Timing } from './harness/rounds.js';
import { Side } from './harness/side.js';

const options = benchOptions();
const pairs = options.quick ? 16 : 64;
const rounds = options.rounds ?? (options.quick ? 1 : 10);
const mostTokens = 32;
const dropout = 0.1;

await using encoder = await Encoder.load(modelDir(), {
  trains: { kind: 'all' },
  dropout: { hidden: dropout, attention: dropout },
  threads: options.threads,
});
await using optimizer = new Optimizer(encoder);
const { anchors, positives, tokens, longest } = await nliPairs();
print(`${pairs} pairs, ${tokens} tokens, longest ${longest}, padded ${2 * pairs * longest}`);

const batch = { anchors, positives, exampleIds: anchors.map((_, i) => i) };
const loss = { kind: 'infoNce', temperature: 0.05 } as const;
let steps = 0;

async function ourStep(): Promise<Timing> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await encoder.accumulateGradients(batch, loss, { step: steps++ });
  await optimizer.step({ learningRate: 0, maxGradNorm: 1 });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  return { seconds, cpuSeconds: (user + system) / 1e6, peakBytes };
}

const { loss: ourLoss } = await encoder.accumulateGradients(batch, loss, { withoutDropout: true });
await optimizer.step({ learningRate: 0, maxGradNorm: 1 });

const contestants: Contestant[] = [{ name: 'simgpt', call: ourStep }];
const sides: Side[] = [];
const peers = existsSync(peerPython()) ? ['pytorch', 'sentence-transformers'] : [];
if (peers.length === 0) print(`no peers: ${peerPython()} is absent (npm run bench:peers)`);
for (const name of peers) {
  const args = [join(peersDir, 'train_step_peer.py'), name];
  const side = await Side.start(
    { name, command: peerPython(), args, model: modelDir() },
    { threads: options.threads },
  );
  sides.push(side);
  await side.request({ op: 'give', anchors, positives });
  const { loss: peerLoss } = await side.request<{ loss: number }>({ op: 'step', dropout: 0 });
  const difference = Math.abs(peerLoss / ourLoss - 1);
  if (!(difference < 1e-4)) {
    throw new Error(`expected ${name}'s loss to be ours, ${ourLoss}, received ${peerLoss}`);
  }
  print(`  ${name}: loss without dropout ${peerLoss}, ours ${ourLoss}`);
  contestants.push({ name, call: () => side.request<Timing>({ op: 'step', dropout }) });
}
const samples = await runRounds(contestants, { rounds, warmups: 1 });
const targets = { pytorch: 1.3, 'sentence-transformers': 1.3 };
reportCase(
  { name: `SimCSE step, MiniLM, ${pairs} pairs`, samples, units: 1, unit: 'steps', targets },
  options,
);
for (const side of sides) await side[Symbol.asyncDispose]();

/** The first pairs of the NLI triples whose texts need no cut and have not come before. */
async function nliPairs() {
  const path = join(sharedDir(), 'data/pairs/nli_triplets.tsv');
  const rows = readFileSync(path, 'utf8').split('\n').slice(1, 1001);
  const columns = rows.map((row) => row.split('\t'));
  const first = columns.map((row) => row[2] ?? '');
  const second = columns.map((row) => row[3] ?? '');
  const firstCounts = await encoder.countTokens(first);
  const secondCounts = await encoder.countTokens(second);
  const seen = new Set<string>();
  const kept: number[] = [];
  for (const [i, [, , anchor = '', positive = '']] of columns.entries()) {
    const isNew = anchor !== positive && !seen.has(anchor) && !seen.has(positive);
    const isShort = Math.max(firstCounts[i] ?? 0, secondCounts[i] ?? 0) <= mostTokens;
    if (!isNew || !isShort || kept.length === pairs) continue;
    seen.add(anchor).add(positive);
    kept.push(i);
  }
  const counts = kept.flatMap((i) => [firstCounts[i] ?? 0, secondCounts[i] ?? 0]);
  return {
    anchors: kept.map((i) => first[i] ?? ''),
    positives: kept.map((i) => second[i] ?? ''),
    tokens: counts.reduce((sum, count) => sum + count, 0),
    longest: Math.max(...counts),
  };
}
