// Does the encoder on this device give the golden models' float64 vectors?
//
// Two oracles: the vectors committed with the models, and our own float64 reference backend run on
// this very host. float32 must agree within 1e-5; bfloat16 within a cosine of 0.999.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Encoder } from '../../dist/index.js';
import { native } from '../../dist/native.js';
import { gpuOptions } from './options.mjs';

const { device } = gpuOptions();
const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { bf16, amx } = native().cpuInfo();
const precisions = device === 'cuda' || bf16 || amx ? ['float32', 'bfloat16'] : ['float32'];
const variants = [
  ['mean', 'mean', 'none'],
  ['cls', 'cls', 'none'],
  ['lastToken', 'lastToken', 'none'],
  ['firstLastMean', 'firstLastMean', 'none'],
  ['cls+mlp', 'cls', 'mlp'],
];

let failures = 0;
const golden = join(root, 'test/golden');
for (const entry of readdirSync(golden, { withFileTypes: true })) {
  if (entry.isDirectory()) {
    for (const variant of variants) {
      await check(join(golden, entry.name), entry.name, variant);
    }
  }
}
process.exitCode = failures === 0 ? 0 : 1;
process.stdout.write(failures === 0 ? 'all agree\n' : `${failures} disagree\n`);

async function check(dir, model, [name, pooling, head]) {
  const { texts } = JSON.parse(readFileSync(join(dir, 'golden.json'), 'utf8'));
  const committed = texts.flatMap(({ embeddings }) => embeddings[name]);
  const sentences = texts.map(({ text }) => text);
  const embed = async (options) => {
    const encoder = await Encoder.load(dir, { pooling, head, ...options });
    try {
      return (await encoder.embed(sentences, { normalize: false })).embeddings;
    } finally {
      await encoder.dispose();
    }
  };
  const here = await embed({ backend: 'reference', precision: 'float64' });
  report(`${model} ${name} reference float64`, difference(here, committed), 1e-6);
  for (const precision of precisions) {
    const actual = await embed({ device, precision });
    const what = `${model} ${name} ${device} ${precision}`;
    if (precision === 'float32') {
      report(what, Math.max(difference(actual, committed), difference(actual, here)), 1e-5);
    } else {
      report(`${what}, 1 - cosine`, 1 - lowestCosine(actual, committed, texts.length), 1e-3);
    }
  }
}

function report(what, value, most) {
  const ok = value <= most;
  failures += ok ? 0 : 1;
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${what}: ${value.toExponential(1)} <= ${most}\n`);
}

function difference(actual, expected) {
  if (actual.length !== expected.length) {
    return NaN;
  }
  return expected.reduce((most, value, i) => {
    const apart = Math.abs(value - actual[i]);
    return apart <= most ? most : apart;
  }, 0);
}

function lowestCosine(actual, expected, rows) {
  const width = expected.length / rows;
  let lowest = Infinity;
  for (let row = 0; row < rows; row++) {
    let [dot, a2, b2] = [0, 0, 0];
    for (let i = row * width; i < (row + 1) * width; i++) {
      dot += actual[i] * expected[i];
      a2 += actual[i] ** 2;
      b2 += expected[i] ** 2;
    }
    const cosine = dot / Math.sqrt(a2 * b2);
    lowest = cosine >= lowest ? lowest : cosine;
  }
  return lowest;
}
