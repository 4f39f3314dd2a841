// How fast is one SimCSE step, of MiniLM and of BERT-base's shape, beside PyTorch's?
//
// float32, dropout 0.1, InfoNCE at temperature 0.05 with in-batch negatives, clipping and AdamW: MiniLM
// on 64 pairs of mixed lengths, random weights of BERT-base's shape on 64 pairs of 32 tokens. First
// every side's loss without dropout must be the same. The peers are a plain loop and the step of
// sentence-transformers' trainer; they pad, we do not, and their texts are tokenised outside the
// timing, ours within. Learning rate 0 keeps every step the same work.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import { Encoder, Optimizer } from '#dist/index.js';
import { writeBaseModel } from './harness/base_model.js';
import { exactTexts } from './harness/model.js';
import { benchOptions } from './harness/options.js';
import { modelDir, peerPython, peersDir, sharedDir } from './harness/places.js';
import { print, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import type { Contestant, Timing } from './harness/rounds.js';
import { Side } from './harness/side.js';

interface Pairs {
  readonly anchors: readonly string[];
  readonly positives: readonly string[];
  /** Real ones of all texts. */
  readonly tokens: number;
  readonly longest: number;
}

const options = benchOptions();
const pairs = options.quick ? 16 : 64;
const mostTokens = 32;
const dropout = 0.1;
const loss = { kind: 'infoNce', temperature: 0.05 } as const;
const peers = existsSync(peerPython()) ? ['pytorch', 'sentence-transformers'] : [];
if (peers.length === 0) print(`no peers: ${peerPython()} is absent (npm run bench:peers)`);

await measure('MiniLM', modelDir(), await nliPairs(), options.quick ? 1 : 10);
const folder = mkdtempSync(join(tmpdir(), 'simgpt-bench-'));
try {
  writeBaseModel(folder);
  await measure('BERT-base shape', folder, exactPairs(), options.quick ? 1 : 3);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(name: string, model: string, data: Pairs, rounds: number): Promise<void> {
  const { anchors, positives, tokens, longest } = data;
  print(`\n${name}, ${pairs} pairs: ${tokens} tokens, padded ${2 * pairs * longest}`);
  await using encoder = await Encoder.load(model, {
    trains: { kind: 'all' },
    dropout: { hidden: dropout, attention: dropout },
    threads: options.threads,
  });
  await using optimizer = new Optimizer(encoder);
  const batch = { anchors, positives, exampleIds: anchors.map((_, i) => i) };
  const { loss: ourLoss } = await encoder.accumulateGradients(batch, loss, {
    withoutDropout: true,
  });
  await optimizer.step({ learningRate: 0, maxGradNorm: 1 });
  let steps = 0;
  const ourStep = async (): Promise<Timing> => {
    const cpu = process.cpuUsage();
    const start = performance.now();
    await encoder.accumulateGradients(batch, loss, { step: steps++ });
    await optimizer.step({ learningRate: 0, maxGradNorm: 1 });
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    return { seconds, cpuSeconds: (user + system) / 1e6, peakBytes };
  };
  const sides: Side[] = [];
  try {
    for (const peer of peers) sides.push(await startPeer(peer, model, data, ourLoss));
    const contestants: Contestant[] = [
      { name: 'simgpt', call: ourStep },
      ...sides.map((side) => ({
        name: side.name,
        call: () => side.request<Timing>({ op: 'step', dropout }),
      })),
    ];
    const samples = await runRounds(contestants, { rounds: options.rounds ?? rounds, warmups: 1 });
    const targets = { pytorch: 1.3, 'sentence-transformers': 1.3 };
    reportCase(
      { name: `SimCSE step, ${name}, ${pairs} pairs`, samples, units: 1, unit: 'steps', targets },
      options,
    );
  } finally {
    for (const side of sides) await side[Symbol.asyncDispose]();
  }
}

/** A peer with the pairs at hand, its loss found equal to ours. */
async function startPeer(
  name: string,
  model: string,
  { anchors, positives }: Pairs,
  ourLoss: number,
): Promise<Side> {
  const args = [join(peersDir, 'train_step_peer.py'), name];
  const command = { name, command: peerPython(), args, model };
  const side = await Side.start(command, { threads: options.threads });
  await side.request({ op: 'give', anchors, positives });
  const { loss: peerLoss } = await side.request<{ loss: number }>({ op: 'step', dropout: 0 });
  if (!(Math.abs(peerLoss / ourLoss - 1) < 1e-4)) {
    await side[Symbol.asyncDispose]();
    throw new Error(`expected ${name}'s loss to be ours, ${ourLoss}, received ${peerLoss}`);
  }
  print(`  ${name}: loss without dropout ${peerLoss}, ours ${ourLoss}`);
  return side;
}

/** Texts of exactly 32 tokens. */
function exactPairs(): Pairs {
  const { texts } = exactTexts(2 * pairs, mostTokens, 1);
  return {
    anchors: texts.slice(0, pairs),
    positives: texts.slice(pairs),
    tokens: 2 * pairs * mostTokens,
    longest: mostTokens,
  };
}

/** The first pairs of the NLI triples whose texts need no cut and have not come before. */
async function nliPairs(): Promise<Pairs> {
  await using encoder = await Encoder.load(modelDir());
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
