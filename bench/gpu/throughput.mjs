// How many sentences a second does the encoder embed on this device, beside sentence-transformers on
// the same texts?
//
// Equal lengths, then the distinct sentences of the STS sets; float32, then half precision. Both
// start from texts and end with float32 vectors in host memory.
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gpuOptions } from './options.mjs';
import { stsTexts } from './sts_texts.mjs';

const { device, model, quick } = gpuOptions();
// Read by the harness when it is imported.
process.env.SIMGPT_MODEL = resolve(model);
const { compareEmbeddings } = await import('../../build/bench/harness/agreement.js');
const { exactTexts, flopPerToken } = await import('../../build/bench/harness/model.js');
const { reportCase, print } = await import('../../build/bench/harness/report.js');
const { runRounds } = await import('../../build/bench/harness/rounds.js');
const { Side } = await import('../../build/bench/harness/side.js');
const { ourSide, peerSide } = await import('../../build/bench/harness/places.js');

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const threads = Number(process.env.SIMGPT_THREADS ?? 2);
const tokensPerCall = quick ? 2048 : device === 'cuda' ? 1 << 20 : 1 << 14;
const rounds = quick ? 1 : 5;
const batches = quick ? [32] : [32, 128, 512, 2048];
// [precision of ours, of the peer, least cosine between them]
const precisions =
  device === 'cuda'
    ? [
        ['float32', 'float32', 1 - 1e-4],
        ['bfloat16', 'bfloat16', 0.99],
        ['bfloat16', 'float16', 0.99],
      ]
    : [['float32', 'float32', 1 - 1e-4]];

for (const [ours, theirs, leastCosine] of precisions) {
  await compare(ours, theirs, leastCosine);
}

async function compare(precision, peerPrecision, leastCosine) {
  print(`\n${device}: simgpt ${precision}, sentence-transformers ${peerPrecision}`);
  const own = await Side.start(ourSide(), { threads, device, precision });
  const peer = await Side.start(peerSide('sentence-transformers'), {
    threads,
    device,
    precision: peerPrecision,
  });
  try {
    const ceiling = await peer.request({
      op: 'matmul',
      size: device === 'cuda' ? 8192 : 1024,
      device,
      precision: peerPrecision,
      repeats: 10,
    });
    print(`GEMM of random ${peerPrecision} matrices: ${Math.round(ceiling.gflops)} GFLOP/s`);
    for (const length of [16, 32, 128, 256]) {
      const { texts } = exactTexts(tokensPerCall / length, length, length);
      const flop = flopPerToken(length) * tokensPerCall;
      await measure({ own, peer, leastCosine, name: `S=${length}`, texts, flop });
    }
    const texts = stsTexts(root).slice(0, quick ? 200 : undefined);
    await measure({ own, peer, leastCosine, name: 'STS distinct texts', texts });
  } finally {
    await own[Symbol.asyncDispose]();
    await peer[Symbol.asyncDispose]();
  }
}

async function measure({ own, peer, leastCosine, name, texts, flop }) {
  for (const side of [own, peer]) {
    await side.give(name, { texts });
  }
  const mine = await own.embeddings(name, 32);
  const { lowestCosine } = compareEmbeddings(mine, await peer.embeddings(name, 32), texts.length);
  if (!(lowestCosine >= leastCosine)) {
    throw new Error(`expected cosine >= ${leastCosine} for every text, received ${lowestCosine}`);
  }
  let best = { batch: 32, seconds: Infinity };
  for (const batch of batches) {
    const { seconds } = await peer.embed(name, batch);
    best = seconds < best.seconds ? { batch, seconds } : best;
  }
  const samples = await runRounds(
    [
      { name: own.name, call: () => own.embed(name, 32) },
      { name: peer.name, call: () => peer.embed(name, best.batch) },
    ],
    { rounds, warmups: 2 },
  );
  const extra =
    flop === undefined ? undefined : (_, seconds) => `${Math.round(flop / seconds / 1e9)} GFLOP/s`;
  const units = texts.length;
  const title = `${device} ${name}, ${units} texts, peer's batch ${best.batch}`;
  reportCase({ name: title, samples, units, unit: 'sentences', extra }, { rowsFile: undefined });
}
