// Runs in batches through every fault and kills, against the bill (RELIABILITY 7, G7).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LedgerReport } from '#dist/generate/ledger_report.js';
import { runBatch } from '../generate/batch_run.js';
import type { BatchRun } from '../generate/batch_run.js';
import { chance } from '../generate/fake_faults.js';
import { startFakeServer } from '../generate/fake_process.js';
import { runTiny, writeSentences } from '../generate/tiny_run.js';
import type { SoakResult } from './soak_result.js';

const child = fileURLToPath(new URL('../generate/batch_run.js', import.meta.url));
export const rowsOf = (folder: string) => readFile(join(folder, 'data.jsonl'), 'utf8');

interface BillLine {
  readonly id: string;
  readonly attempt: number;
}

/** The calls on the bill, none of them twice; and no more tokens than the ledger knows of. */
export async function expectFairBill(
  server: Awaited<ReturnType<typeof startFakeServer>>,
  ledger: LedgerReport,
): Promise<readonly string[]> {
  const lines = (await server.billLines()).split('\n').filter((line) => line !== '');
  const names = lines.map((line) => {
    const { id, attempt } = JSON.parse(line) as BillLine;
    return `${id}.${attempt}`;
  });
  assert.equal(new Set(names).size, names.length, 'no line is run twice');
  const bill = await server.bill();
  const tokens = bill.promptTokens + bill.completionTokens;
  assert.ok(ledger.settledTokens + ledger.bookedTokens >= tokens, 'the bill is covered');
  assert.equal(ledger.avoidableDoubleBills, 0);
  return names;
}

/** What a live run without faults writes. */
export async function plainRows(root: string, input: string): Promise<string> {
  await using server = await startFakeServer({ reply: 'numbered' });
  const folder = join(root, 'plain');
  assert.equal((await runTiny({ folder, input, baseUrl: server.baseUrl })).kind, 'done');
  return rowsOf(folder);
}

/** Starts the run as a process of its own, which is killed at its n-th event if it comes so far. */
function runChild(run: BatchRun): { readonly killed: boolean; readonly said: string } {
  const { signal, stdout, stderr } = spawnSync(process.execPath, [child, JSON.stringify(run)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.ok(signal === 'SIGKILL' || stderr === '', stderr);
  return { killed: signal === 'SIGKILL', said: stdout.trim() };
}

const examples = 20;
const mostKills = 4;
/** A run without faults has about so many calls and records. */
const events = 14;

/** One run through faults and kills; returns how often it was killed. */
async function killedRun(root: string, input: string, plain: string, n: string): Promise<number> {
  const draw = (what: string): number => chance('kills', n, what);
  const ends = ['end 1', 'end 2'].map((what) => {
    if (draw(what) < 0.2) return 'cancelled';
    return draw(what) < 0.5 ? 'expired' : 'completed';
  });
  const batch = {
    polls: Math.floor(draw('polls') * 3),
    ends,
    lines: { missing: draw('missing') * 0.1, doubled: draw('doubled') * 0.2, stranger: 0.05 },
    callRate: draw('calls') * 0.3,
  };
  await using server = await startFakeServer({ run: n, reply: 'numbered', batch });
  const folder = join(root, `kills ${n}`);
  const fileLimits = { rows: draw('rows') < 0.5 ? 8 : 100, bytes: 1e9 };
  const run = { folder, input, baseUrl: server.baseUrl, fileLimits };
  let kills = 0;
  for (; kills < mostKills; kills += 1) {
    const killAt = 1 + Math.floor(draw(`kill ${kills}`) * events);
    const { killed, said } = runChild({ ...run, killAt });
    if (killed) continue;
    assert.match(said, /^done/);
    break;
  }
  const done = await runBatch(run);
  assert.notEqual(done.kind, 'stopped');
  assert.equal(await rowsOf(folder), plain);
  const names = await expectFairBill(server, done.ledger);
  assert.ok(names.length >= examples);
  await rm(folder, { recursive: true });
  return kills;
}

export async function batchKills(options: {
  readonly root: string;
  readonly seed: number;
  readonly count: number;
}): Promise<SoakResult> {
  const { root, seed, count } = options;
  await mkdir(root, { recursive: true });
  const input = await writeSentences(root, examples);
  const plain = await plainRows(root, input);
  const failures: string[] = [];
  let killed = 0;
  for (let n = 0; n < count; n += 1) {
    try {
      killed += await killedRun(root, input, plain, `${seed} ${n}`);
    } catch (error) {
      failures.push(`run ${n}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { trials: count, failures, notes: { killed } };
}
