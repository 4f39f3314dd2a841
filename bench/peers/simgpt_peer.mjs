// simgpt itself, end to end from texts, through the same door as its peers: a process of its own,
// so that memory and processor time are counted alike on every side. A text that occurs twice is
// encoded once, as `simgpt evaluate sts` does; finding the repeats is timed. An input of `only`
// 'tokens' is tokenised and no more.
import { Encoder } from '../../dist/index.js';
import { native } from '../../dist/native.js';
import { servePeer } from './peer.mjs';

let encoder;

await servePeer({
  load: async ({ model, threads, device, precision }) => {
    encoder = await Encoder.load(model, { device, precision, threads });
    return { versions: { LibTorch: native().buildInfo().libtorch } };
  },
  embed: async ({ texts, only }) => {
    if (only !== 'tokens') return [await embedOnce(texts)];
    await encoder.tokenize(texts);
    return [];
  },
});

async function embedOnce(texts) {
  const rowOf = new Map();
  for (const text of texts) {
    if (!rowOf.has(text)) {
      rowOf.set(text, rowOf.size);
    }
  }
  const { embeddings, shape } = await encoder.embed([...rowOf.keys()], { normalize: true });
  if (rowOf.size === texts.length) {
    return embeddings;
  }
  const width = shape[1];
  const rows = new Float32Array(texts.length * width);
  texts.forEach((text, i) => {
    const row = rowOf.get(text);
    rows.set(embeddings.subarray(row * width, (row + 1) * width), i * width);
  });
  return rows;
}
