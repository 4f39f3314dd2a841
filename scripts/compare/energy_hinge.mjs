// What does PromCSE's energy hinge add to InfoNCE on the same data?
//
// Three layers of MiniLM on the NLI triples, 60 steps of 64 by `simcse-sup`'s values: InfoNCE
// alone, and with ten times the hinge of margin 0.2 (Jiang et al. 2022). The same batches and dropout
// masks for both, three seeds. No figure is asked of it: they are reported as they are.
import { compareOnNli } from './nli_arms.mjs';

const infoNce = { kind: 'infoNce', temperature: 0.05 };

export async function compare(request) {
  const { table } = await compareOnNli(request, {
    arms: {
      plain: [infoNce],
      energyHinge: [infoNce, { kind: 'energyHinge', margin: 0.2, weight: 10 }],
    },
    shown: [384],
  });
  return { holds: true, table };
}
