// Does leaving false negatives out of the loss repair data with 30 % of them?
//
// In 30 % of the NLI triples the hard negative is made the anchor once more, but for its full stop: a
// false negative. Two arms on the same rows, batches and dropout masks: as it is, and without what an
// untouched all-MiniLM-L6-v2 holds to be one text (cosine above 0.95, METHODS 1.4). Three layers of MiniLM
// are trained for 60 steps of 64 rows, five seeds, scored on STS.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { permutation } from '../../dist/random/shuffle.js';
import { asMiniLm, gainText, keepRun, modelName, nliColumns, nliFile } from './arms.mjs';
import { pairedGain, print, readEvaluation, scoreModel, spreadText, trainArm } from './arms.mjs';
import { studentFolder } from './student.mjs';

const planted = 0.3;
const above = 0.95;
const arms = ['planted', 'excluded'];

export async function compare({ shared, work, store, quick, threads }) {
  const seeds = quick ? [1, 2] : [1, 2, 3, 4, 5];
  const model = await studentFolder(shared, work);
  const reference = join(shared, 'models', modelName);
  const evaluation = await readEvaluation(shared);
  const scores = Object.fromEntries(arms.map((arm) => [arm, []]));
  const folder = join(work, 'planted');
  mkdirSync(folder, { recursive: true });
  const untouched = await scoreModel(model, evaluation, {
    file: join(folder, 'untouched.json'),
    threads,
  });
  for (const seed of seeds) {
    for (const arm of arms) {
      const data = join(folder, `rows-${seed}.tsv`);
      writeFileSync(data, rowsOf(nliFile(shared).path, seed));
      const output = join(folder, `${arm}-seed-${seed}`);
      const exclusion = arm === 'excluded' ? { excludeFalseNegatives: { above } } : {};
      await trainArm(output, {
        recipe: 'simcse-sup',
        model,
        data: [{ path: data, columns: nliColumns }],
        ...(arm === 'excluded' ? { reference } : {}),
        settings: {
          ...asMiniLm,
          losses: [{ kind: 'infoNce', temperature: 0.05, ...exclusion }],
          batchSize: 64,
          seeds: [seed],
          evaluateEvery: 1000,
        },
        maxSteps: quick ? 2 : 60,
        threads,
      });
      const file = join(output, 'scores.json');
      const found = await scoreModel(join(output, 'model'), evaluation, { file, threads });
      scores[arm].push(Object.values(found)[0]);
      print(`  ${arm}, seed ${seed}: ${scores[arm].at(-1).average.toFixed(2)}`);
      keepRun(output, join(store, `${arm}-seed-${seed}`), seed === seeds[0]);
    }
  }
  const gains = gainsOf(scores);
  const outcome = { planted, above, seeds, untouched: Object.values(untouched)[0], scores, gains };
  writeFileSync(join(store, 'outcome.json'), `${JSON.stringify(outcome, undefined, 1)}\n`);
  return { holds: gains.excluded.average.interval[0] > 0, table: tableOf(outcome) };
}

/** Gains over the planted arm, paired by seed. */
function gainsOf({ planted: before, excluded }) {
  const of = (list, key) => list.map((score) => score[key]);
  const gain = (key) => pairedGain(of(excluded, key), of(before, key));
  return { excluded: { average: gain('average'), dev: gain('dev') } };
}

function tableOf({ untouched, scores, gains }) {
  const row = (...cells) => `| ${cells.join(' | ')} |`;
  const spread = (arm, key) => spreadText(scores[arm].map((score) => score[key]));
  const { average, dev } = gains.excluded;
  return [
    row('Spearman x 100, mean (sd)', 'seven STS sets', 'STS-B dev'),
    '|---|---:|---:|',
    row('untouched', untouched.average.toFixed(2), untouched.dev.toFixed(2)),
    ...arms.map((arm) => row(arm, spread(arm, 'average'), spread(arm, 'dev'))),
    row('gain, 95 % interval over seeds', gainText(average), gainText(dev)),
  ];
}

/** The file's rows with other hard negatives in some, which ones by the seed. */
function rowsOf(path, seed) {
  const [header, ...rows] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const chosen = permutation(rows.length, { seed, stream: 1, draw: 0 });
  for (const place of chosen.subarray(0, Math.round(planted * rows.length))) {
    const fields = rows[place].split('\t');
    rows[place] = [...fields.slice(0, 4), onceMore(fields[2])].join('\t');
  }
  return `${[header, ...rows].join('\n')}\n`;
}

/** The same sentence without its full stop, or with one. */
function onceMore(text) {
  const bare = text.replace(/\s*\.\s*$/, '');
  return bare === text ? `${text.trimEnd()} .` : bare;
}
