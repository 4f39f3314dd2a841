// Installs what the benches run beside simgpt, all of it under bench/peers: npm packages by their
// own lockfile, a Python environment, and the ONNX graphs exported from a sentence-transformers
// folder. Repeating it completes what is missing.
//   node bench/peers/install.mjs [MODEL_DIR]
// MODEL_DIR: default SIMGPT_MODEL, else ../shared/models/all-MiniLM-L6-v2 beside the checkout.
// SIMGPT_BENCH_PYTHON names a Python that has requirements.txt already: no environment is made.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const peers = dirname(fileURLToPath(import.meta.url));
const shared = resolve(process.env.SIMGPT_SHARED ?? join(peers, '../../../shared'));
const model = resolve(
  process.argv[2] ?? process.env.SIMGPT_MODEL ?? join(shared, 'models/all-MiniLM-L6-v2'),
);
if (!existsSync(join(model, 'model.safetensors'))) {
  fail(`expected a model folder with model.safetensors, received ${model}`);
}

// The packages' install scripts only fetch CUDA builds, which no bench here uses.
run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], 'the npm packages');

const python = process.env.SIMGPT_BENCH_PYTHON ?? join(peers, 'env/bin/python');
if (process.env.SIMGPT_BENCH_PYTHON === undefined) {
  if (!existsSync(python)) {
    run('python3', ['-m', 'venv', join(peers, 'env')], 'the Python environment');
  }
  run(python, ['-m', 'pip', 'install', '-r', join(peers, 'requirements.txt')], 'Python packages');
}

const target = join(peers, 'models', basename(model));
if (!existsSync(join(target, 'tokenizer_config.json'))) {
  run(python, [join(peers, 'export_onnx.py'), model, target], 'the ONNX graphs');
}
process.stdout.write(`bench peers are ready in ${peers}\n`);

function run(command, args, what) {
  process.stdout.write(`installing ${what}\n`);
  const { status, error } = spawnSync(command, args, { cwd: peers, stdio: 'inherit' });
  if (status !== 0) {
    fail(`${what} could not be made: ${error?.message ?? `${command} ended with ${status}`}`);
  }
}

function fail(message) {
  process.stderr.write(`simgpt: ${message}\n`);
  process.exit(1);
}
