import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportCheckpoint, readCheckpoint } from '#dist/index.js';
import { temporaryFolder } from '../temporary_folder.js';
import { goldenModel } from './golden_model.js';
import { runSimgpt } from './run_simgpt.js';

// A key that must not be needed, and a server that must not be asked.
const env = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' };

test('start writes examples, trains, searches, scores and leaves a page, with no key and no network', async (t) => {
  const cwd = await temporaryFolder(t);
  const model = join(cwd, 'model');
  const golden = await readCheckpoint(goldenModel, { pooling: ['mean'], head: 'none' });
  await exportCheckpoint(golden, model);
  const args = ['start', '--model', model, '--no-sts'];
  const first = await runSimgpt(args, { cwd, env });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^300 rows of 300 in simgpt-start\/rehearsal\/data\.jsonl/m);
  assert.match(first.stdout, /hard negative in \d+ of 300 examples/);
  assert.match(first.stdout, /^Nearest of 322 sentences, by cosine:$/m);
  assert.match(first.stdout, /^8 steps in \d+\.\d s, mean loss \d+\.\d{3}; the model is in /m);
  assert.match(
    first.stdout,
    /^140 of our graded pairs kept for it, .*: -?\d+\.\d\d before, -?\d+\.\d\d after$/m,
  );
  assert.match(
    first.stdout,
    /^model: 210 graded pairs, Spearman x 100: .* \(95 % interval .* to .*\)$/m,
  );
  assert.ok(existsSync(join(cwd, 'simgpt-start/trained/model/model/model.safetensors')));
  const page = await readFile(join(cwd, 'simgpt-start/report.html'), 'utf8');
  assert.match(page, /written by rule/i);
  assert.ok(existsSync(join(cwd, 'simgpt-start/rehearsal/data.jsonl')));
  const again = await runSimgpt(args, { cwd, env });
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /this run is finished: nothing was called or written/);
  assert.equal(await readFile(join(cwd, 'simgpt-start/report.html'), 'utf8'), page);
});

test('without --model a command uses simgpt-small, whatever the folder and with no network', async (t) => {
  const cwd = await temporaryFolder(t);
  const offline = { cwd, env: { ...env, HF_HUB_OFFLINE: '1', HF_HOME: cwd } };
  const said = ['A boat leaves the harbour.', 'A ship sails out of the port.', 'He paid in cash.'];
  const similar = async (a: string, b: string): Promise<number> => {
    const { stdout, stderr } = await runSimgpt(['similarity', '--json', a, b], offline);
    const { model, similarity } = JSON.parse(stdout || '{}') as Record<string, unknown>;
    assert.equal(model, 'simgpt-small', stderr);
    return Number(similarity);
  };
  assert.ok((await similar(said[0]!, said[1]!)) > 0.2 + (await similar(said[0]!, said[2]!)));
  const pairs = await runSimgpt(['evaluate', 'pairs'], offline);
  assert.equal(pairs.code, 0, pairs.stderr);
  assert.match(
    pairs.stdout,
    /^simgpt-small: 210 graded pairs, Spearman x 100: [78]\d\.\d\d \(95 % interval \d\d\.\d\d to \d\d\.\d\d\)\n$/,
  );
});
