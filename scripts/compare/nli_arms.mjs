// Losses beside each other on the NLI triples: one student, one order of batches a seed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { asMiniLm, gainText, keepRun, nliFile, pairedGain } from './arms.mjs';
import { readEvaluation, scoreModel, spreadText, trainArm } from './arms.mjs';
import { studentFolder } from './student.mjs';

const sizes = [32, 64, 128, 384];

/**
 * Trains each arm's losses with three seeds and scores the models at each of `sizes`, leading dimensions
 * out of 384; the first arm is what the others are compared with. Returns the gains by arm and size, and
 * all of it as a table of the sizes `shown`.
 */
export async function compareOnNli({ shared, work, store, quick, threads }, { arms, shown }) {
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
        settings: { ...asMiniLm, losses, batchSize: 64, seeds: [seed], evaluateEvery: 1000 },
        maxSteps: quick ? 2 : 60,
        threads,
      });
      scores[arm].push(await score(join(output, 'model'), join(output, 'scores.json')));
      keepRun(output, join(store, `${arm}-seed-${seed}`), seed === seeds[0]);
    }
  }
  const untouched = await score(model, join(work, 'student-scores.json'));
  const gains = gainsOf(untouched, scores);
  const outcome = { seeds, untouched, scores, gains };
  writeFileSync(join(store, 'outcome.json'), `${JSON.stringify(outcome, undefined, 1)}\n`);
  return { gains, table: tableOf(outcome, shown) };
}

const valuesOf = (list, size, key) => list.map((score) => score[size][key]);

function gainsOf(untouched, scores) {
  const [[, base], ...others] = Object.entries(scores);
  const gain = (list, size, key) =>
    pairedGain(valuesOf(list, size, key), valuesOf(base, size, key));
  return Object.fromEntries(
    others.map(([arm, list]) => {
      const bySize = Object.keys(untouched).map((size) => {
        return [size, { average: gain(list, size, 'average'), dev: gain(list, size, 'dev') }];
      });
      return [arm, Object.fromEntries(bySize)];
    }),
  );
}

function tableOf({ untouched, scores, gains }, shown) {
  const row = (...cells) => `| ${cells.join(' | ')} |`;
  const lines = [row('Spearman x 100, mean (sd)', 'dimensions', 'seven STS sets', 'STS-B dev')];
  lines.push('|---|---:|---:|---:|');
  for (const size of shown) {
    const { average, dev } = untouched[size];
    lines.push(row('untouched', size, average.toFixed(2), dev.toFixed(2)));
    for (const [arm, list] of Object.entries(scores)) {
      const spread = (key) => spreadText(valuesOf(list, size, key));
      lines.push(row(arm, size, spread('average'), spread('dev')));
    }
    for (const [arm, bySize] of Object.entries(gains)) {
      const gain = bySize[size];
      lines.push(row(`gain of ${arm}`, size, gainText(gain.average), gainText(gain.dev)));
    }
  }
  return [...lines, '', 'Gains are paired by seed, with 95 % intervals over the seeds.'];
}
