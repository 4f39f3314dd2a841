// Rows and quarantine as a function of plan, stored answers and failures: no call is made here.
import { join } from 'node:path';

import { createDigestSet } from '../files/digest_map.js';
import { createHashedFile } from '../files/hashed_file.js';
import type { HashedFile } from '../files/hashed_file.js';
import { canonicalJson, withoutUndefined } from '../files/canonical_json.js';
import { SimgptError } from '../errors.js';
import { serializeExample } from './example.js';
import type { Example } from './example.js';
import { comparable } from './parse.js';
import type { PreparedCall } from './planned_request.js';
import type { IntermediateRow, PlannedCall, RecipeStage, Unit, UnitDrop } from './recipe.js';
import type { WrittenFile } from './run_records.js';
import { sourceCap } from './source_cap.js';
import { readStored } from './stored_call.js';
import type { StoredCalls } from './stored_call.js';
import { walkUnit } from './walk_unit.js';
import type { WalkedUnit } from './walk_unit.js';

/** A look at the rows in their order; one that it drops goes to the quarantine file. */
export interface RowFilter {
  readonly name: string;
  /** Shown the rows that `check` gets next, some hundreds at once. */
  readonly look?: (rows: readonly Example[]) => Promise<void>;
  readonly check: (row: Example) => UnitDrop | undefined | Promise<UnitDrop | undefined>;
}

/** The quarantine file of a run, shared by its stages. */
export interface Drops {
  readonly file: HashedFile;
  readonly byReason: Map<string, number>;
}

export interface StageWork<Row> {
  readonly stage: RecipeStage<Row>;
  readonly units: () => AsyncIterable<Unit>;
  /** The same, without a word about bad rows of the input. */
  readonly quietUnits: () => AsyncIterable<Unit>;
  readonly prepare: (unit: Unit) => (planned: PlannedCall) => PreparedCall;
  readonly stored: StoredCalls;
  readonly drops: Drops;
}

export interface StageResult {
  readonly file: WrittenFile;
  readonly units: number;
}

/** Writes the rows of a stage before the last to `folder/STAGE.jsonl`. */
export function writeIntermediate(
  folder: string,
  work: StageWork<IntermediateRow>,
): Promise<StageResult> {
  const path = join(folder, `${work.stage.name}.jsonl`);
  const sieve = { look: async () => {}, check: () => undefined };
  return writeRows(path, work, sieve, ({ id, fields }) => canonicalJson({ id, fields }));
}

export interface RowRules {
  /** Made anew for each pass over the rows. */
  readonly filters: () => readonly RowFilter[];
  /** The most rows that one source may have, as a share of all. */
  readonly maxSourceShare?: number | undefined;
}

/**
 * Writes the examples to `folder/data.jsonl`, equal ones and those a filter drops left out; the share
 * of a source is capped last, of what the others leave.
 */
export async function writeExampleRows(
  folder: string,
  work: StageWork<Example>,
  { filters, maxSourceShare }: RowRules,
): Promise<StageResult> {
  const cap =
    maxSourceShare === undefined
      ? []
      : [sourceCap(await sourcesOf(work, sieveOf(filters())), maxSourceShare)];
  const sieve = sieveOf([...filters(), ...cap]);
  return writeRows(join(folder, dataName), work, sieve, serializeExample);
}

function sieveOf(filters: readonly RowFilter[]): Sieve<Example> {
  const all = [exactDuplicates(), ...filters];
  return {
    check: async (row) => {
      for (const filter of all) {
        const drop = await filter.check(row);
        if (drop !== undefined) return drop;
      }
      return undefined;
    },
    look: async (rows) => {
      for (const filter of filters) await filter.look?.(rows);
    },
  };
}

/** The sources of the rows that pass, in order: a pass over all of them that writes nothing. */
async function sourcesOf(
  work: StageWork<Example>,
  { look, check }: Sieve<Example>,
): Promise<readonly string[]> {
  const sources: string[] = [];
  // What a pass drops is told by the one that writes.
  for await (const group of walkedGroups({ ...work, units: work.quietUnits })) {
    const rows = group.flatMap(({ verdict }) => (verdict.kind === 'rows' ? verdict.rows : []));
    await look(rows);
    for (const row of rows) {
      if ((await check(row)) === undefined) sources.push(row.source ?? '');
    }
  }
  return sources;
}

/** The rows of a run, whatever other form is made of them. */
export const dataName = 'data.jsonl';
export const quarantineName = 'quarantine.jsonl';

interface Sieve<Row> {
  readonly look: (rows: readonly Row[]) => Promise<void>;
  readonly check: (row: Row) => UnitDrop | undefined | Promise<UnitDrop | undefined>;
}

async function writeRows<Row extends { readonly id: string }>(
  path: string,
  work: StageWork<Row>,
  { look, check }: Sieve<Row>,
  serialize: (row: Row) => string,
): Promise<StageResult> {
  const file = await createHashedFile(path);
  const ids = createDigestSet();
  let units = 0;
  try {
    for await (const group of walkedGroups(work)) {
      await look(group.flatMap(({ verdict }) => (verdict.kind === 'rows' ? verdict.rows : [])));
      for (const { unit, verdict, calls } of group) {
        units += 1;
        const quarantine = (drop: UnitDrop): Promise<void> => addDrop(work, unit, drop, calls);
        if (verdict.kind === 'drop') {
          await quarantine(verdict.drop);
          continue;
        }
        for (const drop of verdict.drops ?? []) await quarantine(drop);
        for (const row of verdict.rows) {
          const drop = await check(row);
          if (drop !== undefined) await quarantine(drop);
          else if (ids.add(row.id)) await file.writeLine(serialize(row));
          else throw new SimgptError('dataInvalid', `expected each row id once, found ${row.id}`);
        }
      }
    }
    return { file: await file.commit(), units };
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/** Units that are looked at together: enough for an encoder, few enough to stay small. */
const groupUnits = 256;

async function* walkedGroups<Row>(
  work: StageWork<Row>,
): AsyncGenerator<(WalkedUnit<Row> & { readonly unit: Unit })[]> {
  let group: (WalkedUnit<Row> & { readonly unit: Unit })[] = [];
  for await (const unit of work.units()) {
    const walked = await walkUnit(work.stage, unit, work.prepare(unit), (call) =>
      readStored(work.stored, call),
    );
    if (walked === undefined) {
      throw new Error(`defect: unit ${unit.id} of ${work.stage.name} has no answer in the store`);
    }
    group.push({ ...walked, unit });
    if (group.length === groupUnits) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

/** One line of the quarantine file: what was dropped, why, and what had been answered. */
async function addDrop(
  {
    stage,
    stored,
    drops,
  }: Pick<StageWork<unknown>, 'stored' | 'drops'> & {
    readonly stage: { readonly name: string };
  },
  unit: Unit,
  drop: UnitDrop,
  calls: readonly PreparedCall[],
): Promise<void> {
  const answers: { call: string; texts: string[] }[] = [];
  for (const call of calls) {
    const texts = (await stored.answers.of(call.id)).map(({ text }) => text);
    answers.push({ call: call.name, texts });
  }
  const { id, source } = unit;
  const { reason, detail, call } = drop;
  await writeDrop(drops, { id, stage: stage.name, source, reason, detail, call, answers });
}

/** Adds a line to the quarantine file and counts it under its `reason`. */
export async function writeDrop(
  { file, byReason }: Drops,
  line: { readonly reason: string } & Readonly<Record<string, unknown>>,
): Promise<void> {
  byReason.set(line.reason, (byReason.get(line.reason) ?? 0) + 1);
  await file.writeLine(canonicalJson(withoutUndefined(line)));
}

/** Rows of equal texts, but for case and white space, are one: the first. */
function exactDuplicates(): RowFilter {
  const seen = createDigestSet();
  return {
    name: 'exact duplicates',
    check: ({ anchor, positive, hardNegatives }) => {
      const key = JSON.stringify([anchor, positive, ...hardNegatives].map(comparable));
      return seen.add(key)
        ? undefined
        : { reason: 'duplicate', detail: 'expected other texts than those of an earlier row' };
    },
  };
}
