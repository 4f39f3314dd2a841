import type { AnswerStore, StoredAnswer } from './answer_store.js';
import { parseAnswer } from './parse.js';
import type { Drop, ParsedAnswer } from './parse.js';
import type { PreparedCall } from './planned_request.js';
import type { CallAnswer, UnitDrop } from './recipe.js';
import type { RefusalPhrases } from './refusals.js';
import type { Failure } from './run_records.js';

/** What the store and the journal say of a call that is over. */
export type StoredCall =
  | { readonly kind: 'answer'; readonly answer: CallAnswer }
  | { readonly kind: 'drop'; readonly drop: UnitDrop };

/** Stored answers, read by the templates and refusal phrases of the present plan. */
export interface StoredCalls {
  readonly answers: Pick<AnswerStore, 'of'>;
  readonly failures: ReadonlyMap<string, Failure>;
  /** A text as the call's answer, or why it is none. */
  readonly read: (call: PreparedCall, text: string) => StoredCall;
  /** Why the last stored answer of the call is none, or undefined where nothing is stored. */
  readonly lastDrop: (call: PreparedCall) => Promise<Drop | undefined>;
  readonly parse: (call: PreparedCall, stored: StoredAnswer) => ParsedAnswer | Drop;
}

const unfinished: Drop = {
  reason: 'unparsable',
  detail: 'expected an answer that ends by itself, received another finish reason',
};

export function createStoredCalls(
  answers: Pick<AnswerStore, 'of'>,
  failures: ReadonlyMap<string, Failure>,
  refusals: readonly RefusalPhrases[],
): StoredCalls {
  const parse: StoredCalls['parse'] = (call, { text, finishReason }) =>
    finishReason === 'other'
      ? unfinished
      : parseAnswer(call.template, call.slots, { text, finishReason }, { refusals });
  return {
    answers,
    failures,
    parse,
    read: (call, text) =>
      storedCall(
        call,
        parseAnswer(call.template, call.slots, { text, finishReason: 'stop' }, { refusals }),
      ),
    lastDrop: async (call) => {
      const last = (await answers.of(call.id)).at(-1);
      const parsed = last === undefined ? undefined : parse(call, last);
      return parsed !== undefined && isDrop(parsed) ? parsed : undefined;
    },
  };
}

/** The first stored answer that can be used, or why the call was given up; else undefined. */
export async function readStored(
  stored: StoredCalls,
  call: PreparedCall,
): Promise<StoredCall | undefined> {
  for (const answer of await stored.answers.of(call.id)) {
    const found = storedCall(call, stored.parse(call, answer));
    if (found.kind === 'answer') return found;
  }
  const failure = stored.failures.get(call.id);
  return failure === undefined
    ? undefined
    : { kind: 'drop', drop: { ...failure, call: call.name } };
}

function storedCall(call: PreparedCall, parsed: ParsedAnswer | Drop): StoredCall {
  const { name, slots, provenance } = call;
  return isDrop(parsed)
    ? { kind: 'drop', drop: { ...parsed, call: name } }
    : { kind: 'answer', answer: { parsed, slots, provenance } };
}

function isDrop(parsed: ParsedAnswer | Drop): parsed is Drop {
  return 'reason' in parsed;
}
