// Do folders go between Python and here and back without changing a vector?
//   node scripts/roundtrip_python.mjs --python VENV/bin/python [--model FOLDER]
// VENV: pip install sentence-transformers==6.* torch==2.11.0 safetensors peft. Reads folders that the
// real sentence-transformers wrote, writes each anew, lets Python load both and compares embeddings to
// 1e-5; then a pooling that Python lacks and must refuse; then LoRA trained here, loaded by PEFT onto the
// model it was trained from; then the same for converted PyTorch checkpoints, a hostile pickle among them.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCheckpoint } from '../dist/encoder/checkpoint.js';
import { Encoder } from '../dist/encoder/encoder.js';
import { exportCheckpoint } from '../dist/encoder/export.js';
import { Optimizer } from '../dist/train/optimizer.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values: flags } = parseArgs({
  options: { python: { type: 'string' }, model: { type: 'string' } },
});
if (flags.python === undefined) {
  process.stderr.write('simgpt: expected --python with an interpreter that has the libraries\n');
  process.exit(2);
}
const tolerance = 1e-5;
const texts = ['', 'the cat sat', 'The CAT, sat!', 'a b c d e f g h', 'the '.repeat(100), 'zzz 9'];
const work = mkdtempSync(join(tmpdir(), 'simgpt-roundtrip-'));
const canary = join(work, 'canary');
let failures = 0;

function python(script, args) {
  const result = spawnSync(flags.python, [join(root, script), ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, SIMGPT_CANARY: canary },
  });
  if (result.error !== undefined) throw result.error;
  return result;
}

function vectors(command, ...folders) {
  const { stdout, stderr, status } = python('scripts/python/roundtrip.py', [
    command,
    ...folders,
    JSON.stringify(texts),
  ]);
  const line = stdout.split('\n').find((text) => text.startsWith('RESULT '));
  if (status !== 0 || line === undefined)
    throw new Error(`${command} ${folders.join(' ')}: ${stderr}`);
  return JSON.parse(line.slice(7));
}

function check(name, ok, detail) {
  if (!ok) failures += 1;
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${name}: ${detail}\n`);
}

function compare(name, left, right) {
  let worst = left.length === right.length ? 0 : Infinity;
  left.forEach((row, i) =>
    row.forEach((value, k) => {
      const difference = Math.abs(value - (right[i]?.[k] ?? Infinity));
      worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
    }),
  );
  check(name, worst <= tolerance, `largest difference ${worst.toExponential(1)}`);
}

/** Our encoder's vectors of the same texts. */
async function ours(folder, options) {
  const encoder = await Encoder.load(folder, { ...options, precision: 'float32' });
  try {
    const { embeddings, shape } = await encoder.embed(texts);
    return texts.map((_, i) => [...embeddings.subarray(i * shape[1], (i + 1) * shape[1])]);
  } finally {
    await encoder.dispose();
  }
}

/** Written anew twice: the bytes are equal, and Python computes what it did from the original. */
async function roundTrip(name, folder, options, expected) {
  const checkpoint = await readCheckpoint(folder, options);
  const [first, second] = [join(work, `${name}-a`), join(work, `${name}-b`)];
  await exportCheckpoint(checkpoint, first);
  await exportCheckpoint(await readCheckpoint(first), second);
  const same = ['model.safetensors', 'modules.json', 'config.json', '1_Pooling/config.json'].every(
    (file) => readFileSync(join(first, file)).equals(readFileSync(join(second, file))),
  );
  check(`${name}, written twice`, same, same ? 'equal bytes' : 'different bytes');
  compare(name, expected, vectors('encode', first));
  compare(`${name}, our encoder`, expected, await ours(folder, options));
  compare(`${name}, our encoder on what we wrote`, expected, await ours(first, {}));
}

/** What Python cannot compute it refuses, by the name of the pooling, and never pools otherwise. */
async function layeredTrip(name, folder) {
  const written = join(work, `${name}-layered`);
  const options = { pooling: 'firstLastMean' };
  await exportCheckpoint(await readCheckpoint(folder, options), written);
  compare(`${name}, two layers`, await ours(folder, options), await ours(written, {}));
  const args = ['encode', written, JSON.stringify(texts)];
  const { status, stderr } = python('scripts/python/roundtrip.py', args);
  const said = /ValueError: .*firstlastmean.*/i.exec(stderr)?.[0];
  check(`${name}, two layers, in Python`, status !== 0 && said !== undefined, said ?? stderr);
}

/** A few steps of LoRA: PEFT computes what our merged weights do, and so does sentence-transformers. */
async function adapter(name, folder) {
  const saved = join(work, `${name}-lora`);
  const encoder = await Encoder.load(folder, { trains: { kind: 'lora', rank: 4 }, seed: 3 });
  const optimizer = new Optimizer(encoder);
  try {
    const batch = { anchors: texts.slice(1, 4), positives: texts.slice(3) };
    for (let step = 0; step < 20; step++) {
      await encoder.accumulateGradients(batch, { kind: 'infoNce', temperature: 0.05 }, { step });
      await optimizer.step({ learningRate: 1e-3, maxGradNorm: 1 });
    }
    await encoder.save(saved);
  } finally {
    await optimizer.dispose();
    await encoder.dispose();
  }
  const [merged, before] = [await ours(saved, {}), await ours(folder, {})];
  const moved = Math.max(...merged.flat().map((value, i) => Math.abs(value - before.flat()[i])));
  check(`${name}, LoRA trained`, moved > 0.01, `largest change ${moved.toExponential(1)}`);
  compare(`${name}, LoRA merged, read by Python`, merged, vectors('encode', saved));
  const byPeft = vectors('adapter', folder, saved);
  compare(`${name}, LoRA as an adapter, read by PEFT`, merged, byPeft);
}

/** PromCSE's checkpoint to our folder, written anew by us, and back: one model throughout. */
async function promptedTrip(source, name) {
  const [here, written, back, again] = ['here', 'written', 'back', 'again'].map((step) =>
    join(work, `${name}-${step}`),
  );
  const expected = vectors('prompted', source);
  const steps = [python('tools/convert.py', [source, here, '--promcse', 'sup'])];
  compare(`${name}, our encoder`, expected, await ours(here, { backend: 'reference' }));
  compare(`${name}, packed rows`, expected, await ours(here, {}));
  await exportCheckpoint(await readCheckpoint(here), written);
  compare(`${name}, our encoder on what we wrote`, expected, await ours(written, {}));
  steps.push(
    python('tools/convert.py', [here, back, '--to-promcse']),
    python('tools/convert.py', [written, again, '--to-promcse']),
  );
  compare(`${name}, back`, expected, vectors('prompted', back));
  compare(`${name}, what we wrote, back`, expected, vectors('prompted', again));
  const { stdout } = python('scripts/python/roundtrip.py', ['same', source, back]);
  const said = steps.map(({ stderr }) => stderr).join('');
  check(`convert ${name} and back`, stdout.includes('RESULT true'), said.trim());
}

try {
  const models = join(work, 'models');
  const made = python('scripts/python/roundtrip.py', ['make', models]);
  if (made.status !== 0) throw new Error(made.stderr);
  for (const name of ['mean', 'list', 'roberta']) {
    const folder = join(models, name);
    await roundTrip(name, folder, {}, vectors('encode', folder));
  }
  await layeredTrip('mean', join(models, 'mean'));
  for (const name of ['mean', 'roberta']) await adapter(name, join(models, name));
  const plain = join(models, 'plain-bert');
  const pooler = vectors('pooled', plain);
  await roundTrip('pooler', plain, { pooling: 'cls', head: 'pooler' }, pooler);

  const simcse = join(work, 'simcse');
  const converted = python('tools/convert.py', [join(models, 'simcse'), simcse, '--simcse', 'sup']);
  check('convert SimCSE', converted.status === 0, (converted.stdout + converted.stderr).trim());
  await roundTrip('simcse', simcse, {}, pooler);

  for (const name of ['promcse', 'promcse-roberta']) await promptedTrip(join(models, name), name);

  const refused = python('tools/convert.py', [join(models, 'hostile'), join(work, 'hostile')]);
  const left = existsSync(canary) || existsSync(join(work, 'hostile'));
  check('hostile pickle', refused.status === 1 && !left, refused.stderr.trim());
  if (flags.model !== undefined) {
    const folder = resolve(flags.model);
    await roundTrip('given model', folder, {}, vectors('encode', folder));
    await adapter('given model', folder);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.stdout.write(failures === 0 ? 'all equal\n' : `${failures} failed\n`);
process.exit(failures === 0 ? 0 : 1);
