// How close does generation with a durable journal come to the bare openai client, 64 calls in flight?
//
// Both ask the fake server (test/generate/fake_server.ts, a process of its own that answers at once)
// for the same examples with the same requests. The bare client only awaits its answers; ours
// renders, claims, stores and settles each call with its own fdatasync groups, parses the answers and
// writes the data set. Target: 0.9 times the bare client's rate, at no more memory for more examples.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import OpenAI from 'openai';
import { createBreaker } from '#dist/generate/breaker.js';
import { systemClock } from '#dist/generate/clock.js';
import { createLiveDispatcher } from '#dist/generate/dispatch.js';
import { generate } from '#dist/generate/generate.js';
import { textInput } from '#dist/generate/input_rows.js';
import { createLimiter } from '#dist/generate/limiter.js';
import { prepareCall } from '#dist/generate/planned_request.js';
import { createProvider, paramsOf } from '#dist/generate/provider.js';
import { recipeByName } from '#dist/generate/recipes/registry.js';
import { loadTemplates } from '#dist/generate/template.js';
import { benchOptions } from './harness/options.js';
import { repoRoot } from './harness/places.js';
import { print, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import type { Contestant, Timing } from './harness/rounds.js';

const options = benchOptions();
const rounds = options.rounds ?? (options.quick ? 1 : 6);
const examples = options.quick ? 200 : 3000;
const inFlight = 64;
const [model, seed] = ['fake-model', 1];

const folder = mkdtempSync(join(tmpdir(), 'simgpt-bench-'));
const server = await startServer();
try {
  await measure();
} finally {
  server.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function startServer() {
  const script = join(repoRoot, 'build/test/generate/fake_server.js');
  const child = spawn(process.execPath, [script, '{"reply":"numbered"}'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { baseUrl: `http://127.0.0.1:${port}/v1`, stop: () => child.kill('SIGKILL') };
}

async function measure(): Promise<void> {
  const input = join(folder, 'input.txt');
  const lines = Array.from({ length: examples }, (_, i) => `Boat ${i} leaves the harbour early.\n`);
  writeFileSync(input, lines.join(''));
  const source = await textInput(input, { format: 'txt' });
  const recipe = recipeByName('simgpt', { templates: await loadTemplates() });
  const plan = {
    recipe: recipe.name,
    settings: { ...recipe.settings },
    templates: {},
    refusals: '0',
    model,
    seed,
    slotWeights: null,
    input: source.fingerprint,
    limit: null,
    output: {},
  };
  const requests: OpenAI.ChatCompletionCreateParamsNonStreaming[] = [];
  for await (const unit of recipe.last.units(textRows(lines))) {
    const verdict = recipe.last.next(unit, new Map());
    if (verdict.kind !== 'calls') throw new Error('expected a call of every unit');
    for (const call of verdict.calls) {
      const prepared = prepareCall(call, recipe.last.name, unit, { model, seed });
      requests.push(paramsOf(prepared.request(0), 'max_tokens', true));
    }
  }
  const client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'none', maxRetries: 0 });
  const bare = async (): Promise<string[]> => {
    const answers: string[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let at = next++; at < requests.length; at = next++) {
        const made = await client.chat.completions.create(requests[at]!);
        answers[at] = made.choices[0]?.message.content ?? '';
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    return answers;
  };
  const dispatcher = () =>
    createLiveDispatcher({
      provider: createProvider({ baseUrl: server.baseUrl }),
      limiter: createLimiter(
        { requestsPerMinute: Infinity, tokensPerMinute: Infinity },
        systemClock,
      ),
      breaker: createBreaker(systemClock),
      clock: systemClock,
      inFlight,
    });
  let run = 0;
  const ours = async (): Promise<string> => {
    const place = join(folder, `run ${(run += 1)}`);
    const input_ = { folder: place, recipe, plan, input: source, refusals: [] };
    const { baseUrl } = server;
    const { kind } = await generate({ ...input_, baseUrl, clock: systemClock, dispatcher });
    if (kind !== 'done') throw new Error(`expected a whole run, received ${kind}`);
    return place;
  };
  agree(await bare(), await ours());
  const samples = await runRounds([contestant('ours', ours), contestant('openai client', bare)], {
    rounds,
    warmups: 0,
    onRound: (round) => print(`round ${round + 1} of ${rounds}`),
  });
  reportCase(
    {
      name: `generation, ${examples} examples, ${inFlight} in flight, journal durable`,
      samples,
      units: examples,
      unit: 'examples',
      targets: { 'openai client': 0.9 },
    },
    options,
  );
}

async function* textRows(lines: readonly string[]) {
  for (const [i, line] of lines.entries()) {
    yield { id: String(i + 1), fields: { text: line.trim() } };
  }
}

/** Every answer of the bare client is in our rows, in order. */
function agree(answers: readonly string[], place: string): void {
  const rows = readFileSync(join(place, 'data.jsonl'), 'utf8').trimEnd().split('\n');
  if (rows.length !== answers.length) {
    throw new Error(`expected ${answers.length} rows, received ${rows.length}`);
  }
  for (const [i, row] of rows.entries()) {
    const { positive } = JSON.parse(row) as { readonly positive: string };
    if (!answers[i]!.includes(positive)) throw new Error(`row ${i}: expected ${answers[i]}`);
  }
}

function contestant(name: string, work: () => Promise<unknown>): Contestant {
  const call = async (): Promise<Timing> => {
    const start = performance.now();
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    return { seconds: (performance.now() - start) / 1e3, cpuSeconds: (user + system) / 1e6 };
  };
  return { name, call };
}
