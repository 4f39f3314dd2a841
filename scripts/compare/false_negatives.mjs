// Does leaving false negatives out of the loss repair data with 30 % of them?
//
// Captions of one picture say the same: anchor and positive are two of them. The hard negative is a
// caption of another picture, but in 30 % of the rows a third one of the same: a false negative. Two arms
// on the same rows, batches and dropout masks: as it is, and without what an untouched
// all-MiniLM-L6-v2 holds to be alike. Three layers of MiniLM are trained for 60 steps of 64 rows, five
// seeds, scored on STS.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { permutation } from '../../dist/random/shuffle.js';
import { asMiniLm, gainText, keepRun, modelName, pairedGain, print } from './arms.mjs';
import { readEvaluation, scoreModel, spreadText, trainArm } from './arms.mjs';
import { studentFolder } from './student.mjs';

const planted = 0.3;
// On 300 pictures, 0.8 % of captions of different pictures are above it, 74 % of those of one picture.
const above = 0.5;
const arms = ['planted', 'excluded'];

export async function compare({ shared, work, store, quick, threads }) {
  const seeds = quick ? [1, 2] : [1, 2, 3, 4, 5];
  const model = await studentFolder(shared, work);
  const reference = join(shared, 'models', modelName);
  const pictures = readPictures(shared);
  const evaluation = await readEvaluation(shared);
  const scores = Object.fromEntries(arms.map((arm) => [arm, []]));
  const folder = join(work, 'false-negatives');
  mkdirSync(folder, { recursive: true });
  const untouched = await scoreModel(model, evaluation, {
    file: join(folder, 'untouched.json'),
    threads,
  });
  for (const seed of seeds) {
    for (const arm of arms) {
      const data = join(folder, `rows-${seed}.jsonl`);
      writeFileSync(data, rowsOf(pictures, seed));
      const output = join(folder, `${arm}-seed-${seed}`);
      const exclusion = arm === 'excluded' ? { excludeFalseNegatives: { above } } : {};
      await trainArm(output, {
        recipe: 'simcse-sup',
        model,
        data,
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

/** Pictures and their captions, without those that are in the STS test sets. */
function readPictures(shared) {
  const folder = join(shared, 'data/text');
  const left = new Set(
    readFileSync(join(folder, 'flickr8k_images_in_sts_test.txt'), 'utf8').split('\n'),
  );
  const text = gunzipSync(readFileSync(join(folder, 'flickr8k_captions.tsv.gz'))).toString('utf8');
  const captions = new Map();
  for (const line of text.trimEnd().split('\n').slice(1)) {
    const [picture, , caption] = line.split('\t');
    if (left.has(picture) || left.has(picture.replace(/\.jpg$/, ''))) continue;
    captions.set(picture, [...(captions.get(picture) ?? []), caption]);
  }
  return [...captions];
}

/** JSON lines: which captions, which rows are planted and whose caption is the negative, by seed. */
function rowsOf(pictures, seed) {
  const draw = (stream, size, at = 0) => permutation(size, { seed, stream, draw: at });
  const chosen = new Set(draw(1, pictures.length).slice(0, Math.round(planted * pictures.length)));
  const order = draw(2, pictures.length);
  const after = new Uint32Array(pictures.length);
  order.forEach((picture, i) => (after[picture] = order[(i + 1) % order.length]));
  const lines = pictures.map(([id, captions], i) => {
    const [anchor, positive, third] = Array.from(draw(3, captions.length, i), (k) => captions[k]);
    const hardNegatives = [chosen.has(i) ? third : pictures[after[i]][1][0]];
    return JSON.stringify({ id, anchor, positive, hardNegatives });
  });
  return `${lines.join('\n')}\n`;
}
