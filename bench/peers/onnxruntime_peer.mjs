// onnxruntime-node, the model alone: ids in, pooled unit vectors out of the graph. Tensors are
// padded and built before the clock starts.
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { batchesOf, servePeer } from './peer.mjs';

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
let session;

await servePeer({
  load: async ({ model, threads }) => {
    session = await InferenceSession.create(join(model, 'pooled.onnx'), {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
    });
    return { versions: { 'onnxruntime-node': version } };
  },
  prepare: async ({ ids }, batch) => batchesOf(ids, batch).map(padded),
  embed: async (batches) => {
    const parts = [];
    for (const feeds of batches) {
      parts.push((await session.run(feeds)).sentence_embedding.data);
    }
    return parts;
  },
});

function padded(rows) {
  const width = Math.max(...rows.map((row) => row.length));
  const dims = [rows.length, width];
  const ids = new BigInt64Array(rows.length * width);
  const mask = new BigInt64Array(rows.length * width);
  rows.forEach((row, i) => {
    row.forEach((id, j) => {
      ids[i * width + j] = BigInt(id);
      mask[i * width + j] = 1n;
    });
  });
  return {
    input_ids: new Tensor('int64', ids, dims),
    attention_mask: new Tensor('int64', mask, dims),
    token_type_ids: new Tensor('int64', new BigInt64Array(rows.length * width), dims),
  };
}
