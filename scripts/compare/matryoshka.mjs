// Do vectors trained to be cut score higher, cut to 32, 64 and 128 dimensions, than plain ones cut?
//
// Three layers of MiniLM on the NLI triples, 60 steps of 64 by `simcse-sup`'s values: InfoNCE
// alone, and Matryoshka over it at 384, 128, 64 and 32 dimensions. The same batches and dropout masks
// for both, three seeds.
import { compareOnNli } from './nli_arms.mjs';

const infoNce = { kind: 'infoNce', temperature: 0.05 };
const sizes = [32, 64, 128];

export async function compare(request) {
  const { gains, table } = await compareOnNli(request, {
    arms: {
      plain: [infoNce],
      matryoshka: [{ kind: 'matryoshka', losses: [infoNce], sizes: [384, 128, 64, 32] }],
    },
    shown: [...sizes, 384],
  });
  const holds = sizes.every((size) => gains.matryoshka[size].average.gain > 0);
  return { holds, table };
}
