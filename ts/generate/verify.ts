import { join } from 'node:path';

import { SimgptError } from '../errors.js';
import { canonicalJson } from '../files/canonical_json.js';
import { createDigestSet } from '../files/digest_map.js';
import { fingerprint } from '../files/hashed_file.js';
import type { StoredAnswer } from './answer_store.js';
import { dataName, quarantineName } from './artefact.js';
import { readExample } from './example.js';
import type { Example } from './example.js';
import { reportLedger } from './ledger_report.js';
import type { ClaimKey } from './ledger_state.js';
import { chargedTokens, claimCost, costOf, moneyText, priceIn } from './money.js';
import { openRunFolder } from './run_folder.js';
import type { RunFolder } from './run_folder.js';
import { fileError, readQuarantineLine, readRunLines } from './run_lines.js';
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
 * Checks a finished run: counts, ids, checksums, lineage and ledger. Whatever is damaged is a doubt.
 * Throws SimgptError where the folder is none of a run.
 */
export async function verifyRun(path: string): Promise<Verification> {
  const doubts = collectDoubts();
  const run = await openRunFolder(path, { create: false, keepsCalls: true }).catch((error) => {
    // Where there is no run, there is none to have doubts on.
    if (error instanceof SimgptError && error.code === 'fileNotFound') throw error;
    doubts.add(damageOf(error));
  });
  if (run === undefined) return { rows: 0, quarantined: 0, answers: 0, doubts: doubts.told() };
  await using opened = run;
  const { commit, plan } = opened.state;
  const counts = { rows: 0, quarantined: 0 };
  if (commit === undefined || plan === undefined) {
    doubts.add('expected a finished run, found one whose rows are not all written');
  } else {
    const hash = planHash(plan.plan);
    if (plan.hash !== hash || commit.plan !== hash) {
      doubts.add(`expected the rows of the plan ${hash}, found those of ${commit.plan}`);
    }
    await checkFiles(opened, commit, doubts.add);
    Object.assign(counts, await checkRows(opened, commit, plan.plan, doubts.add));
  }
  await checkLedger(opened, doubts.add);
  return { ...counts, answers: opened.answers.size, doubts: doubts.told() };
}

/** The sentence of damage to a file of the run. Throws any other error. */
function damageOf(error: unknown): string {
  const isDamage =
    error instanceof SimgptError &&
    ['dataInvalid', 'fileInvalid', 'fileNotFound', 'ioFailed'].includes(error.code);
  if (isDamage) return error.message;
  throw error;
}

type Doubt = (sentence: string) => void;

function collectDoubts(): { readonly add: Doubt; readonly told: () => readonly string[] } {
  const sentences: string[] = [];
  let more = 0;
  return {
    add: (sentence) => {
      if (sentences.length < mostDoubts) sentences.push(sentence);
      else more += 1;
    },
    told: () => (more === 0 ? sentences : [...sentences, `and ${more} more`]),
  };
}

async function checkFiles(run: RunFolder, { files }: Commit, doubt: Doubt): Promise<void> {
  for (const { name, sha256 } of files) {
    try {
      const found = await fingerprint(join(run.path, name));
      if (found === undefined) doubt(`${name}: expected a file, found none`);
      else if (found.sha256 !== sha256) {
        doubt(`${name}: expected sha256 ${sha256}, found ${found.sha256}`);
      }
    } catch (error) {
      doubt(damageOf(fileError(name, error)));
    }
  }
}

async function checkRows(
  run: RunFolder,
  commit: Commit,
  plan: GenerationPlan,
  doubt: Doubt,
): Promise<{ rows: number; quarantined: number }> {
  const ids = createDigestSet();
  const units = createDigestSet();
  const rows = await eachLine(run, dataName, readExample, doubt, (row, where) => {
    if (!ids.add(row.id)) doubt(`${where}: expected each id once, found ${row.id} again`);
    units.add(row.provenance.at(-1)!.sourceId);
    checkLineage(row, plan, where, doubt);
  });
  const drops = new Map<string, number>();
  const quarantined = await eachLine(
    run,
    quarantineName,
    readQuarantineLine,
    doubt,
    ({ id, reason, stage }) => {
      drops.set(reason, (drops.get(reason) ?? 0) + 1);
      if (id !== undefined && stage === commit.lastStage) units.add(id);
    },
  );
  const expected = new Map(commit.files.map(({ name, rows: count }) => [name, count]));
  for (const [name, count] of [
    [dataName, rows],
    [quarantineName, quarantined],
  ] as const) {
    if (expected.get(name) !== count) {
      doubt(`${name}: expected ${expected.get(name) ?? 0} rows, found ${count}`);
    }
  }
  if (canonicalJson(Object.fromEntries(drops)) !== canonicalJson(commit.quarantined)) {
    doubt(`${quarantineName}: expected the drops by reason that the run counted, found others`);
  }
  if (units.size !== commit.units) {
    doubt(`expected ${commit.units} units as rows or in quarantine, found ${units.size}`);
  }
  return { rows, quarantined };
}

/** Shows `look` each line that can be read; the others and a file that is not there are doubts. */
async function eachLine<Row>(
  run: RunFolder,
  name: string,
  read: (line: string, where: string) => Row,
  doubt: Doubt,
  look: (row: Row, where: string) => void,
): Promise<number> {
  let count = 0;
  try {
    for await (const { where, row, problem } of readRunLines(run.path, name, read)) {
      count += 1;
      if (problem === undefined) look(row, where);
      else doubt(problem);
    }
  } catch (error) {
    // Of a missing file the checksums told.
    const sentence = damageOf(error);
    if (!(error instanceof SimgptError && error.code === 'fileNotFound')) doubt(sentence);
  }
  return count;
}

function checkLineage(row: Example, plan: GenerationPlan, where: string, doubt: Doubt): void {
  const last = row.provenance.at(-1)!;
  if (last.model !== plan.model || last.seed !== plan.seed) {
    doubt(`${where}: expected model ${plan.model} and seed ${plan.seed} of the plan`);
  }
  const { id, hash } = last.template;
  if (!Object.hasOwn(plan.templates, id)) {
    doubt(`${where}: expected a template of the plan, found ${id}`);
  } else if (plan.templates[id] !== hash) {
    doubt(`${where}: expected template ${id} of sha256 ${plan.templates[id]}, found ${hash}`);
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
    const stored = await storedAnswer(run, entry, doubt);
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
  checkMoney(run, doubt);
}

async function storedAnswer(
  { answers }: RunFolder,
  { id, attempt }: ClaimKey,
  doubt: Doubt,
): Promise<StoredAnswer | undefined> {
  try {
    return (await answers.of(id)).find((one) => one.attempt === attempt);
  } catch (error) {
    doubt(damageOf(error));
    return undefined;
  }
}

/** What was charged beyond a claim is the provider's doing, as with tokens. */
function checkMoney({ state: { ledger, caps } }: RunFolder, doubt: Doubt): void {
  const { money } = caps;
  if (money === undefined) return;
  let cost = 0;
  for (const entry of [...ledger.entries.values()].flat()) {
    const price = priceIn(money.models, entry.model);
    if (price === undefined) return doubt(`expected a price of ${entry.model}, found none`);
    const { mode, ...tokens } = chargedTokens(entry);
    cost += Math.min(costOf(price, tokens, mode), claimCost(entry, money));
  }
  // Beyond what a sum of doubles rounds.
  if (cost > money.most * (1 + 1e-9)) {
    doubt(`expected at most ${money.most} ${money.currency}, found ${moneyText(cost)}`);
  }
}
