// How fast is the float32 encoder at one length, beside onnxruntime-node and sentence-transformers?
//
// Every text has exactly S tokens. Ours and sentence-transformers start from texts; onnxruntime-node
// runs the model alone, on padded int64 tensors built beforehand, pooling and L2 norm in its graph.
// Each peer runs at the batch size that was fastest for it.
import { requireAgreement } from './harness/agreement.js';
import { exactTexts, flopPerToken } from './harness/model.js';
import { benchOptions } from './harness/options.js';
import { fixed, print, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import type { Contestant } from './harness/rounds.js';
import type { Side } from './harness/side.js';
import { Sides } from './harness/sides.js';

const lengths = [16, 32, 64, 128, 256];
const targets = { 'onnxruntime-node': 1, 'sentence-transformers': 2 };

const options = benchOptions();
// One call is 0.3 to 1 s where a core does 200 GFLOP/s.
const tokensPerCall = options.quick ? 2048 : 8192;
const rounds = options.rounds ?? (options.quick ? 2 : 10);
const batches = options.quick ? [32] : [8, 32, 128];

await using sides = await Sides.start(
  ['onnxruntime-node', 'sentence-transformers'],
  options.threads,
);
const ceiling = await gemmCeiling();
for (const length of lengths) {
  await measure(length);
}

async function measure(length: number): Promise<void> {
  const rows = tokensPerCall / length;
  const { texts, ids } = exactTexts(rows, length, length);
  const input = `S ${length}`;
  for (const side of sides.all) {
    await side.give(input, side.name === 'onnxruntime-node' ? { ids } : { texts });
  }
  const ours = await sides.ours.embeddings(input, rows);
  const contestants: Contestant[] = [
    { name: sides.ours.name, call: () => sides.ours.embed(input, rows) },
  ];
  const notes: string[] = [];
  for (const peer of sides.peers) {
    const { lowestCosine } = requireAgreement(
      peer.name,
      ours,
      await peer.embeddings(input, 32),
      rows,
    );
    const batch = await fastestBatch(peer, input);
    notes.push(`${peer.name} batch ${batch}, 1 - cosine <= ${(1 - lowestCosine).toExponential(1)}`);
    contestants.push({ name: peer.name, call: () => peer.embed(input, batch) });
  }
  const samples = await runRounds(contestants, { rounds, warmups: 2 });
  const flop = flopPerToken(length) * length * rows;
  reportCase(
    {
      name: `encoder S=${length}, ${rows} texts`,
      samples,
      units: rows,
      unit: 'sentences',
      targets,
      extra: (_, seconds) => {
        const gflops = flop / seconds / 1e9;
        const share = ceiling === undefined ? '' : ` (${Math.round((gflops / ceiling) * 100)} %)`;
        const tokens = `${((length * rows) / seconds / 1e3).toFixed(1)} k tokens/s`;
        return `${tokens}, ${Math.round(gflops)} GFLOP/s${share}`;
      },
    },
    options,
  );
  print(`  ${notes.join('; ')}`);
}

async function fastestBatch(peer: Side, input: string): Promise<number> {
  let best = { batch: batches[0]!, seconds: Infinity };
  for (const batch of batches) {
    await peer.embed(input, batch);
    const { seconds } = await peer.embed(input, batch);
    best = seconds < best.seconds ? { batch, seconds } : best;
  }
  return best.batch;
}

// oneDNN's packed float32 linear, best of many: what the shares above are taken of.
async function gemmCeiling(): Promise<number | undefined> {
  const torch = sides.peer('sentence-transformers');
  if (torch === undefined) {
    print('GEMM ceiling: not measured, sentence-transformers brings it');
    return undefined;
  }
  const shape = { rows: 512, inner: 768, outer: 3072, threads: options.threads };
  const { gflops } = await torch.request<{ gflops: number }>({ op: 'gemm', ...shape });
  print(`GEMM ceiling: ${fixed(gflops)} GFLOP/s, oneDNN float32, 512 x 768 x 3072, packed weights`);
  return gflops;
}
