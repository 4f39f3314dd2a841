// Do vectors trained to be cut score higher, cut to 32, 64 and 128 dimensions, than plain ones cut?
//
// Three layers of MiniLM on the NLI triples, one epoch of `simcse-sup`'s values, batch 64: InfoNCE
// alone, and Matryoshka over it at 384, 128, 64 and 32 dimensions. The same batches and dropout masks
// for both, three seeds.
import { compareOnNli } from './nli_arms.mjs';

const infoNce = { kind: 'infoNce', temperature: 0.05 };
const sizes = [32, 64, 128];

export async function compare(request) {
  const { gains } = await compareOnNli(request, {
    arms: {
      plain: [infoNce],
      matryoshka: [{ kind: 'matryoshka', losses: [infoNce], sizes: [384, 128, 64, 32] }],
    },
    sizes,
  });
  return sizes.every((size) => gains.matryoshka[size].average.gain > 0);
}
