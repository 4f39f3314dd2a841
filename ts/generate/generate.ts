import { setMaxListeners } from 'node:events';
import { join } from 'node:path';

import { SimgptError } from '../errors.js';
import { canonicalJson, withoutUndefined } from '../files/canonical_json.js';
import { fingerprint } from '../files/hashed_file.js';
import { createBuyer, retryDefaults } from './buy.js';
import type { Buyer, RetryRules } from './buy.js';
import { createSlots } from './buy_units.js';
import type { Dispatcher, DispatcherJournal } from './dispatch.js';
import { createHalt } from './halt.js';
import type { Halt, Stop } from './halt.js';
import { reportLedger } from './ledger_report.js';
import type { LedgerReport } from './ledger_report.js';
import type { Caps } from './ledger_state.js';
import type { Clock } from './limiter.js';
import { priceIn } from './money.js';
import type { MoneyCap } from './money.js';
import type { RefusalPhrases } from './refusals.js';
import { openRunFolder } from './run_folder.js';
import type { RunFolder } from './run_folder.js';
import { planHash } from './run_records.js';
import type { Commit } from './run_records.js';
import { openRunLedger } from './run_ledger.js';
import { buyStages, writeArtefact } from './stages.js';
import type { Scene, StageOptions } from './stages.js';
import { createStoredCalls } from './stored_call.js';
import type { StoredCalls } from './stored_call.js';

export interface GenerateOptions extends StageOptions {
  /** The run's folder: made where there is none, gone on with where it is a run's. */
  readonly folder: string;
  readonly refusals: readonly RefusalPhrases[];
  /** A cap that is not given stays as the run's last one. */
  readonly caps?: Caps;
  readonly dispatcher: (journal: DispatcherJournal) => Dispatcher | Promise<Dispatcher>;
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly rules?: Partial<RetryRules>;
  /** Try calls again that were given up. */
  readonly retriesFailed?: boolean;
  /** Go on although the input is another one than the run's. */
  readonly acceptsChangedInput?: boolean;
  /** Ends the run: calls in flight get ten seconds. */
  readonly signal?: AbortSignal | undefined;
}

export interface GenerateResult {
  readonly kind: 'done' | 'finishedBefore' | 'stopped';
  readonly stop?: Stop;
  /** Present where the artefact is whole. */
  readonly commit?: Commit;
  /** Units of the stage in work that had all their answers when the run stopped, from the first. */
  readonly prefix?: number;
  readonly ledger: LedgerReport;
}

/** How long calls in flight may go on once the run is to end. */
const drainMs = 10_000;

/**
 * Buys what a recipe asks for and writes its rows. The same call again goes on where it ended, and
 * does nothing where the artefact is whole. Throws SimgptError for files and for data.
 */
export async function generate(options: GenerateOptions): Promise<GenerateResult> {
  await using run = await openRunFolder(options.folder, { create: true });
  const hash = await adoptPlan(run, options);
  const { state } = run;
  const done = state.commit;
  const report = (): LedgerReport => reportLedger(state.ledger, state.fold?.totals);
  if (done?.plan === hash && (await filesAreThere(run, done))) {
    return { kind: 'finishedBefore', commit: done, ledger: report() };
  }
  const halt = createHalt();
  const drain = watchSignal(options, halt);
  const stored = createStoredCalls(run.answers, state.failures, options.refusals);
  await using dispatcher = await options.dispatcher({
    records: state.batches,
    append: (record) => run.journal.append(record),
  });
  try {
    const buyer = await openMarket(run, dispatcher, stored, halt, drain.abandon, options);
    const scene: Scene = { run, options, stored, halt, dispatcher, buyer };
    const bought = await buyStages(scene);
    if (halt.stop !== undefined) {
      return { kind: 'stopped', stop: halt.stop, prefix: bought.prefix, ledger: report() };
    }
    const commit = await writeArtefact(scene, hash);
    return { kind: 'done', commit, ledger: report() };
  } finally {
    drain.end();
  }
}

/** Records the plan where it is another one than the run's, and the caps where they change. */
async function adoptPlan(run: RunFolder, options: GenerateOptions): Promise<string> {
  const { plan, caps = {} } = options;
  const { state } = run;
  const before = state.plan?.plan;
  const changed = before !== undefined && before.input?.sha256 !== plan.input?.sha256;
  if (changed && options.acceptsChangedInput !== true) {
    throw new SimgptError(
      'dataInvalid',
      `${options.folder}: expected the input of this run (sha256 ${before.input?.sha256 ?? 'none'}), ` +
        `received another (${plan.input?.sha256 ?? 'none'}): give another --output, or --changed-input`,
    );
  }
  const hash = planHash(plan);
  if (state.plan?.hash !== hash) await run.record({ kind: 'plan', hash, plan });
  await adoptCaps(run, caps, plan.model);
  if (options.retriesFailed === true && state.failures.size > 0)
    await run.record({ kind: 'retry' });
  return hash;
}

/** A cap that is not given stays; one in money holds with the prices it was given with. */
async function adoptCaps({ state, record }: RunFolder, given: Caps, model: string): Promise<void> {
  const before = state.caps;
  const { tokens = before.tokens, calls = before.calls } = given;
  const money = given.money === undefined ? before.money : given.money;
  const needed = money && {
    ...money,
    models: pricesNeeded(money, [model, ...state.ledger.spending.keys()]),
  };
  const caps = { tokens: tokens ?? null, calls: calls ?? null, ...(needed && { money: needed }) };
  const same = (one: Caps): string => canonicalJson(withoutUndefined(one));
  if (same({ tokens, calls, money: needed }) !== same(before)) {
    await record({ kind: 'caps', ...caps });
  }
}

/** Throws RangeError where a model that the run calls, or has called, has no price. */
function pricesNeeded({ models }: MoneyCap, names: readonly string[]): MoneyCap['models'] {
  return Object.fromEntries(
    names.map((name) => {
      const price = priceIn(models, name);
      if (price !== undefined) return [name, price];
      const named = Object.keys(models).join(', ') || 'no model';
      throw new RangeError(
        `expected a price of ${name} for the cap in money, received those of ${named}`,
      );
    }),
  );
}

async function filesAreThere(run: RunFolder, commit: Commit): Promise<boolean> {
  const found = await Promise.all(
    commit.files.map(({ name }) => fingerprint(join(run.path, name))),
  );
  return found.every((file) => file !== undefined);
}

/** Halts the run when the caller's signal fires, and gives calls in flight ten seconds from then. */
function watchSignal({ signal, clock }: GenerateOptions, halt: Halt) {
  const abandon = new AbortController();
  setMaxListeners(0, abandon.signal);
  const ended = new AbortController();
  const onAbort = (): void => {
    const sentence = 'stopped; run the same command again to go on';
    halt.pull({ kind: 'interrupted', reason: 'signal', sentence });
    clock.sleep(drainMs, ended.signal).then(
      () => abandon.abort(),
      () => {},
    );
  };
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return {
    abandon: abandon.signal,
    end: () => {
      signal?.removeEventListener('abort', onAbort);
      ended.abort();
    },
  };
}

async function openMarket(
  run: RunFolder,
  dispatcher: Dispatcher,
  stored: StoredCalls,
  halt: Halt,
  abandon: AbortSignal,
  options: GenerateOptions,
): Promise<Buyer> {
  const ledger = await openRunLedger(run, (key) => dispatcher.holds(key));
  return createBuyer({
    run,
    ledger,
    dispatcher,
    clock: options.clock,
    rules: { ...retryDefaults, ...options.rules },
    halt,
    abandon,
    stored,
    server: { baseUrl: options.baseUrl, model: options.plan.model },
    slots: createSlots(dispatcher.inFlight, dispatcher.firstInFlight),
  });
}
