import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ChatAnswer, ChatRequest, Provider } from '#dist/generate/provider.js';
import { openRunFolder } from '#dist/generate/run_folder.js';
import { temporaryFolder } from '../temporary_folder.js';
import { startFakeServer } from './fake_process.js';
import { jumpingClock, runTiny } from './tiny_run.js';

// Fault of the first attempt, and what the ledger says of it: RELIABILITY 4, class by class.
const table = `
limitSeconds notBilled
limitMs notBilled
limitLong notBilled
limitPlain notBilled
timeout408 notBilled
conflict notBilled
error500 notBilled
error502 notBilled
error503 notBilled
gateway500 unknown
gateway502 unknown
gateway504 unknown
cut unknown
reset unknown
bomb unknown
badGzip unknown
bigHeaders unknown
page403 unknown
html unknown
plain unknown
noContent unknown
redirect302 unknown
truncated truncated
deep truncated
notUtf8 truncated
array truncated
noChoices empty
emptyChoices empty
errorInAnswer empty
length length
filter filtered
toolCalls schema
refusal refused
nullContent empty
emptyContent empty
wrongSchema schema`
  .trim()
  .split('\n')
  .map((row) => row.split(' ') as [fault: string, outcome: string]);

async function writeLines(folder: string, lines: readonly string[]): Promise<string> {
  const path = join(folder, 'lines.txt');
  await writeFile(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

/** The outcomes of every call in the order of the rows; one row is one call here. */
async function outcomesOf(folder: string): Promise<string[][]> {
  await using run = await openRunFolder(folder, { create: false, keepsCalls: true });
  return [...run.state.ledger.entries.values()].map((attempts) =>
    attempts.map(({ outcome, status }) => outcome ?? status),
  );
}

async function linesOf<T>(folder: string, name: string): Promise<T[]> {
  const text = await readFile(join(folder, name), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

test('every class of fault is accounted for and tried again, and no row is lost', async (t) => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'run');
  const input = await writeLines(
    root,
    table.map(([fault], index) => `once:${fault} boat ${index}`),
  );
  await using server = await startFakeServer({ reply: 'numbered' });
  const clock = jumpingClock();
  const run = { folder, input, baseUrl: server.baseUrl, inFlight: 1, bare: true };
  const result = await runTiny(run, { clock });
  assert.equal(result.kind, 'done');
  const outcomes = await outcomesOf(folder);
  for (const [index, [fault, outcome]] of table.entries()) {
    assert.deepEqual(outcomes[index], [outcome, 'ok'], fault);
  }
  assert.equal((await linesOf(folder, 'data.jsonl')).length, table.length);
  assert.equal((await server.bill()).keys, 0);
  assert.equal(result.ledger.avoidableDoubleBills, 0);
});

test('a call that hangs or stalls is booked as unknown and made again', async (t) => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'run');
  const input = await writeLines(root, ['once:hang boat', 'once:stall boat']);
  await using server = await startFakeServer({ reply: 'numbered' });
  const limits = { callMs: 300, idleMs: 200 };
  const run = { folder, input, baseUrl: server.baseUrl, inFlight: 1, bare: true, limits };
  const result = await runTiny(run, { clock: jumpingClock(), rules: { attempts: 100 } });
  assert.equal(result.kind, 'done');
  for (const [first, ...more] of await outcomesOf(folder)) {
    // On a busy machine a second one may be late too.
    assert.deepEqual([first, more.at(-1)], ['unknown', 'ok']);
  }
  assert.equal(result.ledger.forcedDoubleBills, result.ledger.bookedCalls);
});

test('what cannot be answered is given up after two paid tries, its answers in quarantine', async (t) => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'run');
  const cases = [
    ['length', 'truncated', ['length', 'length']],
    ['wrongSchema', 'unparsable', ['schema', 'schema']],
    ['filter', 'refusal', ['filtered', 'filtered']],
    ['emptyChoices', 'failed', ['empty', 'empty']],
    ['badRequest', 'failed', ['notBilled']],
    ['unprocessable', 'failed', ['notBilled']],
    ['error500', 'failed', Array.from({ length: 8 }, () => 'notBilled')],
  ] as const;
  const input = await writeLines(
    root,
    cases.map(([fault]) => `fault:${fault} boat`),
  );
  await using server = await startFakeServer({ reply: 'numbered' });
  const run = { folder, input, baseUrl: server.baseUrl, inFlight: 1, bare: true };
  const result = await runTiny(run, { clock: jumpingClock() });
  assert.equal(result.kind, 'done');
  assert.deepEqual(
    await outcomesOf(folder),
    cases.map(([, , outcomes]) => [...outcomes]),
  );
  type Dropped = { id: string; reason: string; answers: { texts: string[] }[] };
  const dropped = await linesOf<Dropped>(folder, 'quarantine.jsonl');
  assert.deepEqual(
    dropped.map(({ reason }) => reason),
    cases.map(([, reason]) => reason),
  );
  assert.equal(dropped[0]?.answers[0]?.texts.length, 2);
  const again = await runTiny(run, { clock: jumpingClock() });
  assert.equal(again.kind, 'finishedBefore');
});

const wrong = { kind: 'billedUnusable', reason: 'schema', advice: 'retry' } as const;
const lost = { kind: 'unknown', reason: 'timeout', advice: 'retry' } as const;
const good = { kind: 'ok', reason: 'ok', advice: 'done' } as const;

/** A provider that answers as told, in order, and remembers what it was asked. */
function scripted(answers: readonly Partial<ChatAnswer>[]) {
  const asked: ChatRequest[] = [];
  const usage = { promptTokens: 5, completionTokens: 5 };
  const none = { status: 200, retryAfterMs: undefined, detail: undefined, headers: new Map() };
  const provider: Provider = {
    chat: async (request) => {
      const given = answers[Math.min(asked.length, answers.length - 1)]!;
      asked.push(request);
      const content = given.kind === 'ok' ? '1. One.\n2. Two.' : 'nothing of use';
      return { ...none, usage, content, ...given } as ChatAnswer;
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return { provider, asked };
}

test('the second paid try has a seed of its own, a lost answer is asked for as before', async (t) => {
  const root = await temporaryFolder(t);
  const input = await writeLines(root, ['a boat']);
  const { provider, asked } = scripted([lost, wrong, good]);
  const run = { folder: join(root, 'run'), input, provider };
  assert.equal((await runTiny(run, { clock: jumpingClock() })).kind, 'done');
  const [first, second, third] = asked.map(({ seed }) => seed);
  assert.equal(first, second);
  assert.notEqual(second, third);
  assert.deepEqual(
    asked.map(({ name }) => name?.replace(/^.*\./, '')),
    ['1', '2', '3'],
  );
});

test('a call is made when its claim is in the journal, and no sooner', async (t) => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'run');
  const input = await writeLines(root, ['a boat', 'a second boat', 'a third boat']);
  const { provider } = scripted([lost, good]);
  let made = 0;
  const watching: Provider = {
    ...provider,
    chat: async (request) => {
      made += 1;
      const [, id = '', attempt = ''] = /^(.*)\.(\d+)$/.exec(request.name ?? '') ?? [];
      const claim = `{"attempt":${attempt},"id":"${id}","kind":"claim"`;
      assert.ok(readFileSync(join(folder, 'journal'), 'utf8').includes(claim), request.name);
      return provider.chat(request);
    },
  };
  const result = await runTiny({ folder, input, provider: watching }, { clock: jumpingClock() });
  assert.deepEqual([result.kind, made], ['done', 4]);
});

test('a call whose cost is not known is given up where the policy says so', async (t) => {
  const root = await temporaryFolder(t);
  const input = await writeLines(root, ['a boat']);
  const { provider, asked } = scripted([lost, good]);
  const run = { folder: join(root, 'run'), input, provider };
  const result = await runTiny(run, { clock: jumpingClock(), rules: { onUnknown: 'fail' } });
  assert.deepEqual(result.commit?.quarantined, { failed: 1 });
  assert.equal(asked.length, 1);
});

test('an example is given up after ten minutes of calls', async (t) => {
  const root = await temporaryFolder(t);
  const input = await writeLines(root, ['a boat']);
  const clock = jumpingClock();
  const { provider, asked } = scripted([good]);
  const slow: Provider = {
    ...provider,
    chat: async (request) => {
      asked.push(request);
      clock.advance(119_000);
      return { ...(await provider.chat(request)), ...lost };
    },
  };
  const run = { folder: join(root, 'run'), input, provider: slow };
  const result = await runTiny(run, { clock });
  assert.deepEqual(result.commit?.quarantined, { failed: 1 });
  // Five calls and the waits between them are just below the ten minutes.
  assert.equal(asked.length / 2, 6);
});
