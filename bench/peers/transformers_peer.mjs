// transformers.js, end to end: its feature-extraction pipeline on local files, texts in input order.
import { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import { batchesOf, servePeer } from './peer.mjs';

const require = createRequire(import.meta.url);
let extractor;

await servePeer({
  load: async ({ model, threads, maxTokens }) => {
    env.allowRemoteModels = false;
    env.localModelPath = dirname(model);
    extractor = await pipeline('feature-extraction', basename(model), {
      dtype: 'fp32',
      device: 'cpu',
      session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
    });
    const truncatesAt = extractor.tokenizer.model_max_length;
    if (truncatesAt !== maxTokens) {
      throw new Error(`expected model_max_length ${maxTokens}, received ${truncatesAt}`);
    }
    return {
      versions: {
        'transformers.js': env.version,
        'onnxruntime-node': require('onnxruntime-node/package.json').version,
      },
    };
  },
  embed: async ({ texts }, batch) => {
    const parts = [];
    for (const rows of batchesOf(texts, batch)) {
      parts.push((await extractor(rows, { pooling: 'mean', normalize: true })).data);
    }
    return parts;
  },
});
