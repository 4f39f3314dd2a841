import type { PreparedCall } from './planned_request.js';
import type { CallAnswer, PlannedCall, Stage, Unit, UnitDrop, Verdict } from './recipe.js';
import type { StoredCall } from './stored_call.js';

/** A unit whose calls are all answered, or that one of them ended. */
export interface WalkedUnit<Row> {
  readonly verdict: Exclude<Verdict<Row>, { kind: 'calls' }>;
  /** Every call that was asked for, in order. */
  readonly calls: readonly PreparedCall[];
}

/** Rounds of calls after which a stage is taken to ask for ever. */
const maxRounds = 100;

/**
 * Asks the stage what the unit needs, gets those calls, and asks again until it has a verdict. `get`
 * says what became of a call, or undefined where nothing has: then the walk ends without a verdict.
 */
export async function walkUnit<Row>(
  stage: Stage<Row>,
  unit: Unit,
  prepare: (planned: PlannedCall) => PreparedCall,
  get: (call: PreparedCall) => Promise<StoredCall | undefined>,
): Promise<WalkedUnit<Row> | undefined> {
  const answers = new Map<string, CallAnswer>();
  const calls: PreparedCall[] = [];
  for (let round = 0; round < maxRounds; round += 1) {
    const verdict = stage.next(unit, answers);
    if (verdict.kind !== 'calls') return { verdict, calls };
    const asked = verdict.calls.map(prepare);
    calls.push(...asked);
    // All of them come to their end even where one fails: an answer on its way is paid for.
    const ends = await Promise.allSettled(asked.map(get));
    const drop = takeEnds(asked, ends, answers);
    if (drop === 'missing') return undefined;
    if (drop !== undefined) return { verdict: { kind: 'drop', drop }, calls };
  }
  throw new Error(`defect: stage ${stage.name} asks for calls without end`);
}

function takeEnds(
  asked: readonly PreparedCall[],
  ends: readonly PromiseSettledResult<StoredCall | undefined>[],
  answers: Map<string, CallAnswer>,
): UnitDrop | 'missing' | undefined {
  let drop: UnitDrop | undefined;
  let missing = false;
  for (const [index, end] of ends.entries()) {
    if (end.status === 'rejected') throw end.reason;
    if (end.value === undefined) missing = true;
    else if (end.value.kind === 'drop') drop ??= end.value.drop;
    else answers.set(asked[index]!.name, end.value.answer);
  }
  return missing ? 'missing' : drop;
}
