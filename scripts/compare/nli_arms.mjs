// Losses beside each other on the NLI triples: one student, one order of batches a seed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { asMiniLm, gainText, keepRun, nliFile, pairedGain, print } from './arms.mjs';
import { readEvaluation, scoreModel, spreadText, trainArm } from './arms.mjs';
import { studentFolder } from './student.mjs';

/**
 * Trains each arm's losses with three seeds and scores the models, whole and at `sizes` dimensions; the
 * first arm is what the others are compared with. Returns the gains by arm and size.
 */
export async function compareOnNli({ shared, work, store, quick, threads }, { arms, sizes }) {
  const seeds = quick ? [1, 2] : [1, 2, 3];
  const model = await studentFolder(shared, work);
  const evaluation = await readEvaluation(shared);
  const score = (folder, file) => scoreModel(folder, evaluation, { sizes, file, threads });
  const scores = Object.fromEntries(Object.keys(arms).map((arm) => [arm, []]));
  for (const seed of seeds) {
    for (const [arm, losses] of Object.entries(arms)) {
      const output = join(work, `nli-${arm}-seed-${seed}`);
      await trainArm(output, {
        recipe: 'simcse-sup',
        model,
        data: [nliFile(shared)],
        settings: {
          ...asMiniLm,
          losses,
          batchSize: 64,
          epochs: 1,
          seeds: [seed],
          evaluateEvery: 1000,
        },
        maxSteps: quick ? 2 : undefined,
        threads,
      });
      const file = join(output, `scores-${['all', ...sizes].join('-')}.json`);
      scores[arm].push(await score(join(output, 'model'), file));
      keepRun(output, join(store, `${arm}-seed-${seed}`), seed === seeds[0]);
    }
  }
  const untouched = await score(model, join(work, `student-${['all', ...sizes].join('-')}.json`));
  const gains = gainsOf(untouched, scores);
  const outcome = { seeds, untouched, scores, gains };
  writeFileSync(join(store, 'outcome.json'), `${JSON.stringify(outcome, undefined, 1)}\n`);
  return { gains };
}

function gainsOf(untouched, scores) {
  const [[first, base], ...others] = Object.entries(scores);
  const gains = Object.fromEntries(others.map(([arm]) => [arm, {}]));
  for (const size of Object.keys(untouched)) {
    const of = (list, key) => list.map((score) => score[size][key]);
    const { average, dev } = untouched[size];
    print(`  ${size} dimensions: untouched ${average.toFixed(2)}, dev ${dev.toFixed(2)}`);
    print(`    ${first}: ${spreadText(of(base, 'average'))}, dev ${spreadText(of(base, 'dev'))}`);
    for (const [arm, list] of others) {
      const gain = {
        average: pairedGain(of(list, 'average'), of(base, 'average')),
        dev: pairedGain(of(list, 'dev'), of(base, 'dev')),
      };
      gains[arm][size] = gain;
      print(`    ${arm}: ${spreadText(of(list, 'average'))}, dev ${spreadText(of(list, 'dev'))}`);
      print(`      gain ${gainText(gain.average)}, dev ${gainText(gain.dev)}`);
    }
  }
  return gains;
}
