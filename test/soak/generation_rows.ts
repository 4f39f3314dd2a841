// The soak's rows about generation: kill points, money, caps.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { costOf } from '#dist/generate/money.js';
import { openRunFolder } from '#dist/generate/run_folder.js';
import { reconcileRun } from '#dist/generate/run_ledger.js';
import { verifyRun } from '#dist/generate/verify.js';
import { repoRoot } from '../shared_data.js';
import { startFakeServer } from '../generate/fake_process.js';
import {
  codeOf,
  generateArgs,
  makeScene,
  soakPrices,
  spentOf,
  stormyRates,
  tokensOf,
} from './generation_scene.js';
import type { FakeServer, Scene } from './generation_scene.js';
import { sweepKills } from './kill_sweep.js';
import { runKillable } from './kill_shim.js';
import { drawn } from './soak_result.js';
import type { SoakResult } from './soak_result.js';

const artefact = ['data.jsonl', 'quarantine.jsonl'] as const;

interface Ground {
  readonly shim: string;
  readonly root: string;
  readonly seed: number;
}

/** Kills a run of 40 examples at `count` file operations, or at every one; or fills its disk there. */
export async function killPoints(
  ground: Ground & { readonly count?: number; readonly errno?: number },
): Promise<SoakResult> {
  const scene = await makeScene(ground.root, 40);
  await using server = await startFakeServer({ reply: 'numbered' });
  // Awaited here: the server ends with this block.
  return await sweepKills(
    {
      // Few at once: more groups, and so more operations to die at.
      args: (folder) => generateArgs(scene, server, folder, ['--concurrency', '4']),
      code: codeOf(scene.ids.length),
      files: artefact,
      check: async (folder) => (await verifyRun(folder)).doubts,
    },
    ground,
  );
}

/** The same for a recipe of two stages, offline: the second is made of what the first one wrote. */
export async function killStages(
  ground: Ground & { readonly count?: number },
): Promise<SoakResult> {
  return sweepKills(
    {
      args: (folder) => [
        join(repoRoot, 'bin/simgpt.mjs'),
        ...rehearsedE5,
        `--output=${folder}`,
        '--concurrency=4',
        '--no-report',
      ],
      // The rehearsal repeats itself now and then.
      code: 3,
      files: [...artefact, 'brainstorm.jsonl'],
      check: async (folder) => (await verifyRun(folder)).doubts,
    },
    ground,
  );
}

const rehearsedE5 = ['generate', 'e5', '--provider=rehearsal', '--set', 'examples=40'];

/** Thousands of examples through faults and kills, to the token. */
export async function money(
  ground: Ground & { readonly examples: number; readonly kills: number },
): Promise<SoakResult> {
  const { shim, root, seed, examples, kills } = ground;
  const scene = await makeScene(root, examples);
  const failures: string[] = [];
  const expect = (holds: boolean, sentence: string): void => {
    if (!holds) failures.push(sentence);
  };
  const [calmRun, folder] = [join(root, 'calm'), join(root, 'run')];
  await using calmServer = await startFakeServer({ reply: 'numbered' });
  const calm = await runKillable({
    shim,
    below: calmRun,
    killAt: 0,
    args: generateArgs(scene, calmServer, calmRun),
  });
  expect(calm.code === codeOf(examples), `undisturbed: ${calm.code} ${calm.stderr.slice(-300)}`);
  await using server = await startFakeServer({
    reply: 'numbered',
    run: String(seed),
    rates: stormyRates,
    faultyAttempts: 1,
  });
  // Far above what a run costs, and below what it would cost if nothing were ever settled.
  const cap = 400 * examples + 2_000_000;
  const args = generateArgs(scene, server, folder, ['--max-tokens-total', String(cap)]);
  const most = Math.max(2, Math.floor((2 * calm.operations) / Math.max(1, kills)));
  let killed = 0;
  for (let index = 0; index < kills; index += 1) {
    const killAt = drawn(seed, index, 1, most);
    const died = await runKillable({ shim, below: folder, killAt, torn: index % 2 === 1, args });
    killed += died.killed ? 1 : 0;
    if (died.killed) await expectCovered(folder, server, cap, expect);
  }
  const last = await runKillable({ shim, below: folder, killAt: 0, args });
  expect(last.code === codeOf(examples), `last run: ${last.code} ${last.stderr.slice(-300)}`);
  await expectCovered(folder, server, cap, expect);
  for (const name of artefact) {
    const [ours, theirs] = await Promise.all(
      [folder, calmRun].map((path) => readFile(join(path, name), 'utf8')),
    );
    expect(ours === theirs, `${name}: expected the bytes of the undisturbed run`);
  }
  await expectEachIdOnce(scene, folder, expect);
  const booked = await expectSettledToTheToken(folder, server, root, expect);
  return {
    trials: examples,
    failures,
    notes: { killed, ...booked, peakMiB: Math.round(last.peakBytes / 2 ** 20) },
  };
}

type Expect = (holds: boolean, sentence: string) => void;

/** Settled and booked are never below the bill, and never above the cap. */
async function expectCovered(
  folder: string,
  server: FakeServer,
  cap: number,
  expect: Expect,
): Promise<void> {
  const bill = await server.bill();
  const spent = await spentOf(folder).catch(() => ({ tokens: 0, calls: 0 }));
  const { tokens, calls } = spent;
  expect(tokens >= tokensOf(bill), `expected ${tokensOf(bill)} tokens or more, found ${tokens}`);
  expect(calls >= bill.calls, `expected ${bill.calls} calls or more, found ${calls}`);
  expect(tokens <= cap, `expected ${cap} tokens at most, found ${tokens}`);
}

async function expectEachIdOnce(scene: Scene, folder: string, expect: Expect): Promise<void> {
  const found: string[] = [];
  for (const name of artefact) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
    for (const line of lines) {
      if (line !== '') found.push((JSON.parse(line) as { readonly id: string }).id);
    }
  }
  const wanted = [...scene.ids].sort();
  expect(
    JSON.stringify(found.sort()) === JSON.stringify(wanted),
    `expected each of ${wanted.length} ids once, found ${found.length}, ${new Set(found).size} different`,
  );
}

/** Line by line against the server's bill, then reconciled, then in sum. */
async function expectSettledToTheToken(
  folder: string,
  server: FakeServer,
  root: string,
  expect: Expect,
): Promise<Record<string, number>> {
  const bill = await server.bill();
  const text = await server.billLines();
  const lines = new Map(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const { id, attempt, ...usage } = JSON.parse(line) as {
          readonly id: string;
          readonly attempt: number;
          readonly inputTokens: number;
          readonly outputTokens: number;
        };
        return [`${id} ${attempt}`, usage] as const;
      }),
  );
  {
    await using run = await openRunFolder(folder, { create: false, keepsCalls: true });
    for (const { id, attempt, status, isCharged, usage } of [
      ...run.state.ledger.entries.values(),
    ].flat()) {
      if (status !== 'settled') continue;
      const billed = lines.get(`${id} ${attempt}`);
      expect(isCharged === (billed !== undefined), `call ${id}.${attempt}: charged ${isCharged}`);
      if (usage !== null) {
        const same = billed?.inputTokens === usage.inputTokens;
        expect(same && billed?.outputTokens === usage.outputTokens, `call ${id}.${attempt}: usage`);
      }
    }
  }
  const path = join(root, 'bill.jsonl');
  await writeFile(path, text);
  const { ledger, unclaimed } = await reconcileRun(folder, path);
  expect(unclaimed === 0, `expected no line of the bill without a claim, found ${unclaimed}`);
  expect(ledger.bookedCalls === 0, `expected nothing booked, found ${ledger.bookedCalls} calls`);
  const sums = [ledger.settledTokens, ledger.settledCalls];
  expect(
    sums[0] === tokensOf(bill) && sums[1] === bill.calls,
    `expected ${tokensOf(bill)} tokens in ${bill.calls} calls, found ${sums.join(' in ')}`,
  );
  expect(
    ledger.avoidableDoubleBills === 0,
    `expected no avoidable double bill, found ${ledger.avoidableDoubleBills}`,
  );
  const { doubts } = await verifyRun(folder);
  expect(doubts.length === 0, `verify: ${doubts.join('; ')}`);
  const { forcedDoubleBills: forced, secondTries } = ledger;
  return { calls: bill.calls, tokens: tokensOf(bill), forced, secondTries };
}

/** What caps are drawn up to: most, times the examples. */
const capPerExample = {
  calls: { flag: '--max-calls', most: 1 },
  tokens: { flag: '--max-tokens-total', most: 130 },
  money: { flag: '--max-cost', most: 200 },
} as const;

/** Small runs under a cap, through faults and kills: the server's bill is never above it. */
export async function caps(
  ground: Ground & { readonly count: number; readonly examples?: number },
): Promise<SoakResult> {
  const { shim, root, seed, count, examples = 60 } = ground;
  const scene = await makeScene(root, examples);
  const failures: string[] = [];
  const prices = join(root, 'prices.json');
  await writeFile(prices, JSON.stringify(soakPrices));
  let stopped = 0;
  for (let index = 0; index < count; index += 1) {
    const folder = join(root, `capped${index}`);
    await mkdir(folder, { recursive: true });
    await using server = await startFakeServer({
      reply: 'numbered',
      run: `${seed} ${index}`,
      rates: stormyRates,
    });
    const share = drawn(seed, index, 1, 100) / 100;
    const kind = (['calls', 'tokens', 'money'] as const)[index % 3]!;
    const cap = Math.ceil(share * examples * capPerExample[kind].most);
    const flags = [capPerExample[kind].flag, String(cap), '--price-table', prices];
    const args = generateArgs(scene, server, folder, [...flags, '--concurrency', '8']);
    for (const killAt of [drawn(seed, index + 1000, 5, 60), 0]) {
      const ended = await runKillable({ shim, below: folder, killAt, args });
      if (ended.code === 5) stopped += 1;
      const bill = await server.bill();
      const spent = await spentOf(folder).catch(() => ({ tokens: 0, calls: 0, money: 0 }));
      const cost = costOf(soakPrices.models['fake-model'], {
        inputTokens: bill.promptTokens,
        outputTokens: bill.completionTokens,
      });
      const billed = { calls: bill.calls, tokens: tokensOf(bill), money: cost }[kind];
      const ours = spent[kind];
      if (billed > cap || ours > cap || ours < billed) {
        failures.push(`run ${index}: cap of ${cap} in ${kind}, ledger ${ours}, bill ${billed}`);
      }
    }
    await rm(folder, { recursive: true, force: true });
  }
  return { trials: count, failures, notes: { stopped } };
}
