import { createReadStream } from 'node:fs';
import { join } from 'node:path';

import { readLines } from '../dataset/lines.js';
import { createDigestMap } from '../files/digest_map.js';
import { fingerprint } from '../files/hashed_file.js';
import { dataName, quarantineName } from './artefact.js';
import { maxLineBytes } from '../dataset/text.js';
import { readExample } from './example.js';
import type { Example } from './example.js';
import { reportLedger } from './ledger_report.js';
import { openRunFolder } from './run_folder.js';
import type { RunFolder } from './run_folder.js';
import { planHash } from './run_records.js';
import type { Commit, GenerationPlan } from './run_records.js';

export interface Verification {
  readonly rows: number;
  readonly quarantined: number;
  readonly answers: number;
  /** Each a sentence; none where the run is as it should be. */
  readonly doubts: readonly string[];
}

/** Doubts beyond this many are counted, not told. */
const mostDoubts = 50;

/**
 * Checks a finished run: counts, ids, checksums, lineage and ledger. Throws SimgptError where the
 * folder is none of a run, or its journal is damaged.
 */
export async function verifyRun(path: string): Promise<Verification> {
  await using run = await openRunFolder(path, { create: false, keepsCalls: true });
  const doubts: string[] = [];
  const doubt = (sentence: string): void => void doubts.push(sentence);
  const { commit, plan } = run.state;
  const counts = { rows: 0, quarantined: 0 };
  if (commit === undefined || plan === undefined) {
    doubt('expected a finished run, found one whose rows are not all written');
  } else {
    const hash = planHash(plan.plan);
    if (plan.hash !== hash || commit.plan !== hash) {
      doubt(`expected the rows of the plan ${hash}, found those of ${commit.plan}`);
    }
    await checkFiles(run, commit, doubt);
    Object.assign(counts, await checkRows(run, commit, plan.plan, doubt));
  }
  await checkLedger(run, doubt);
  const told = doubts.slice(0, mostDoubts);
  if (doubts.length > told.length) told.push(`and ${doubts.length - told.length} more`);
  return { ...counts, answers: run.answers.size, doubts: told };
}

type Doubt = (sentence: string) => void;

async function checkFiles(run: RunFolder, commit: Commit, doubt: Doubt): Promise<void> {
  for (const { name, sha256 } of commit.files) {
    const found = await fingerprint(join(run.path, name));
    if (found === undefined) doubt(`${name}: expected a file, found none`);
    else if (found.sha256 !== sha256) {
      doubt(`${name}: expected sha256 ${sha256}, found ${found.sha256}`);
    }
  }
}

async function checkRows(
  run: RunFolder,
  commit: Commit,
  plan: GenerationPlan,
  doubt: Doubt,
): Promise<{ rows: number; quarantined: number }> {
  const ids = createDigestMap();
  const units = createDigestMap();
  const expected = new Map(commit.files.map(({ name, rows }) => [name, rows]));
  let rows = 0;
  for await (const line of linesOf(run, dataName)) {
    rows += 1;
    const where = `${dataName}, line ${rows}`;
    const row = readRow(line, where, doubt);
    if (row === undefined) continue;
    if (!ids.add(row.id)) doubt(`${where}: expected each id once, found ${row.id} again`);
    units.add(row.provenance.at(-1)!.sourceId);
    checkLineage(row, plan, where, doubt);
  }
  let quarantined = 0;
  const drops = new Map<string, number>();
  for await (const line of linesOf(run, quarantineName)) {
    quarantined += 1;
    const found = JSON.parse(line) as { id?: string; reason: string; stage?: string };
    drops.set(found.reason, (drops.get(found.reason) ?? 0) + 1);
    if (found.id !== undefined && found.stage === commit.lastStage) units.add(found.id);
  }
  for (const [name, count] of [
    [dataName, rows],
    [quarantineName, quarantined],
  ] as const) {
    if (expected.get(name) !== count) {
      doubt(`${name}: expected ${expected.get(name) ?? 0} rows, found ${count}`);
    }
  }
  if (
    JSON.stringify([...drops].sort(byName)) !==
    JSON.stringify(Object.entries(commit.quarantined).sort(byName))
  ) {
    doubt(`${quarantineName}: expected the drops by reason that the run counted, found others`);
  }
  if (units.size !== commit.units) {
    doubt(`expected ${commit.units} units as rows or in quarantine, found ${units.size}`);
  }
  return { rows, quarantined };
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}

async function* linesOf(run: RunFolder, name: string): AsyncGenerator<string> {
  try {
    for await (const line of readLines(createReadStream(join(run.path, name)), {
      maxBytes: maxLineBytes,
    })) {
      yield line.text ?? '';
    }
  } catch {
    // A missing file has its doubt already.
  }
}

function readRow(line: string, where: string, doubt: Doubt): Example | undefined {
  try {
    return readExample(line, where);
  } catch (error) {
    doubt(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function checkLineage(row: Example, plan: GenerationPlan, where: string, doubt: Doubt): void {
  const last = row.provenance.at(-1)!;
  if (last.model !== plan.model || last.seed !== plan.seed) {
    doubt(`${where}: expected model ${plan.model} and seed ${plan.seed} of the plan`);
  }
  if (!Object.hasOwn(plan.templates, last.template.id)) {
    doubt(`${where}: expected a template of the plan, found ${last.template.id}`);
  }
}

async function checkLedger(run: RunFolder, doubt: Doubt): Promise<void> {
  const { ledger, caps } = run.state;
  for (const entry of [...ledger.entries.values()].flat()) {
    const name = `call ${entry.id.slice(0, 12)}, attempt ${entry.attempt}`;
    if (entry.status === 'open') doubt(`${name}: expected a settlement, found none`);
    if (entry.response === null) {
      if (entry.outcome === 'ok') doubt(`${name}: expected a stored answer, found none`);
      continue;
    }
    const stored = (await run.answers.of(entry.id)).find((one) => one.attempt === entry.attempt);
    if (stored?.sha256 !== entry.response) {
      doubt(`${name}: expected its answer ${entry.response}, found ${stored?.sha256 ?? 'none'}`);
    }
  }
  const report = reportLedger(ledger);
  if (report.avoidableDoubleBills > 0) {
    doubt(`expected no avoidable double bill, found ${report.avoidableDoubleBills}`);
  }
  const tokens = report.settledTokens + report.bookedTokens - report.overrunTokens;
  const calls = report.settledCalls + report.bookedCalls;
  if (tokens > (caps.tokens ?? Infinity))
    doubt(`expected at most ${caps.tokens} tokens, found ${tokens}`);
  if (calls > (caps.calls ?? Infinity))
    doubt(`expected at most ${caps.calls} calls, found ${calls}`);
}
