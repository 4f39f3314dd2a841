// Does leaving false negatives out of the loss repair data with 30 % of them?
//
// Captions of one picture say the same: anchor and positive are two of them. The hard negative is a
// caption of another picture, but in 30 % of the rows a third one of the same: a false negative. Four
// arms on the same rows, batches and dropout masks: as it is; without what an untouched all-MiniLM-L6-v2
// holds to be alike; without what the rows' groups say is alike; and rows with no false negative, the
// most that can be won. Three layers of MiniLM are trained, five seeds, scored on STS.
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
const arms = ['planted', 'reference', 'groups', 'clean'];

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
    file: join(work, 'student-scores.json'),
    threads,
  });
  for (const seed of seeds) {
    for (const arm of arms) {
      const data = join(folder, `${arm}-${seed}.jsonl`);
      writeFileSync(data, rowsOf(pictures, arm, seed));
      const output = join(folder, `${arm}-seed-${seed}`);
      const exclusion = arm === 'reference' ? { excludeFalseNegatives: { above } } : {};
      await trainArm(output, {
        recipe: 'simcse-sup',
        model,
        data,
        ...(arm === 'reference' ? { reference } : {}),
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
  return gains.reference.average.interval[0] > 0;
}

/** Gains over the planted arm, paired by seed. */
function gainsOf(scores) {
  const gains = {};
  for (const arm of arms) {
    const of = (key) => scores[arm].map((score) => score[key]);
    const before = (key) => scores.planted.map((score) => score[key]);
    print(
      `  ${arm.padEnd(10)} seven sets ${spreadText(of('average'))}, dev ${spreadText(of('dev'))}`,
    );
    if (arm === 'planted') continue;
    gains[arm] = {
      average: pairedGain(of('average'), before('average')),
      dev: pairedGain(of('dev'), before('dev')),
    };
    const { average, dev } = gains[arm];
    print(`    gain ${gainText(average)}, dev ${gainText(dev)}`);
  }
  return gains;
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

/** JSON lines: the arms of a seed differ in hard negatives (`clean`) and groups alone. */
function rowsOf(pictures, arm, seed) {
  const draw = (stream, size, at = 0) => permutation(size, { seed, stream, draw: at });
  const chosen = new Set(draw(1, pictures.length).slice(0, Math.round(planted * pictures.length)));
  const order = draw(2, pictures.length);
  const after = new Uint32Array(pictures.length);
  order.forEach((picture, i) => (after[picture] = order[(i + 1) % order.length]));
  const lines = pictures.map(([name, captions], i) => {
    const [anchor, positive, third] = Array.from(draw(3, captions.length, i), (k) => captions[k]);
    const isPlanted = chosen.has(i) && arm !== 'clean';
    const hardNegatives = [isPlanted ? third : pictures[after[i]][1][0]];
    const group = isPlanted && arm === 'groups' ? { group: name } : {};
    return JSON.stringify({ id: name, anchor, positive, hardNegatives, ...group });
  });
  return `${lines.join('\n')}\n`;
}
