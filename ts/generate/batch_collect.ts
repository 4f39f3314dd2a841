// From a batch that has ended to one answer for each attempt that waits for it.
import type { BatchState } from './batch_api.js';
import type { Courier } from './batch_courier.js';
import { readResultLine } from './batch_lines.js';
import type { ResultLine } from './batch_lines.js';
import type { Advice, OutcomeKind } from './classify.js';
import type { SentAnswer } from './dispatch.js';
import type { OpenAiApi } from './openai_api.js';
import { answerOf } from './provider.js';
import type { ChatAnswer, ChatRequest } from './provider.js';

/** An attempt that waits for its answer. */
export interface Pending {
  readonly name: string;
  readonly request: ChatRequest;
  /** Whether structured outputs were asked for. */
  readonly asked: boolean;
  readonly resolve: (answer: SentAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** What of a batch's lines could not be joined. */
export interface Oddities {
  /** Lines that name no request of the batch. */
  readonly strangers: number;
  /** Lines whose request was answered by an earlier one. */
  readonly doubled: number;
  /** Requests that no line tells of. */
  readonly missing: number;
}

export interface CollectOptions {
  readonly api: Pick<OpenAiApi, 'redact' | 'spoken'>;
  readonly courier: Courier;
  readonly state: BatchState;
  /** custom_id to the attempt's name, for every request of the batch. */
  readonly names: ReadonlyMap<string, string>;
  /** Those to be answered; each is taken out as it is. */
  readonly pending: Map<string, Pending>;
  readonly now: () => number;
  readonly onRefusedStructure: () => void;
}

/** An answer without an exchange of its own. */
export function bareAnswer(
  kind: OutcomeKind,
  reason: string,
  advice: Advice,
  detail?: string,
): ChatAnswer {
  const none = { status: undefined, usage: undefined, retryAfterMs: undefined };
  return { ...none, content: undefined, kind, reason, advice, detail, headers: new Map() };
}

/** Answers what waits. Throws SimgptError where the files can not be had; nothing is lost then. */
export async function collect(options: CollectOptions): Promise<Oddities> {
  const { courier, state, names, pending } = options;
  if (state.status === 'failed') {
    answerAll(pending, () => refusalOf(options));
    return { strangers: 0, doubled: 0, missing: 0 };
  }
  const told = { output: new Set<string>(), errors: new Set<string>() };
  let strangers = 0;
  let doubled = 0;
  for (const part of ['output', 'errors'] as const) {
    const file = part === 'output' ? state.outputFile : state.errorFile;
    if (file === undefined) continue;
    await courier.download(file, (line) => {
      const found = readResultLine(line);
      const name = found === undefined ? undefined : names.get(found.customId);
      if (found === undefined || name === undefined) {
        strangers += 1;
        return;
      }
      if (told[part].has(name)) doubled += 1;
      told[part].add(name);
      const waiting = pending.get(name);
      if (waiting === undefined) return;
      pending.delete(name);
      waiting.resolve({ ...answerOfLine(options, found, waiting), mode: 'batch' });
    });
  }
  // A batch that ended early runs no more of its lines; where all those it counts are here, the
  // others were never run. Anything else that is missing may have been billed.
  const isWhole =
    told.output.size >= (state.completed ?? Number.POSITIVE_INFINITY) &&
    told.errors.size >= (state.failed ?? 0);
  const isEarly = state.status === 'expired' || state.status === 'cancelled';
  const missing = pending.size;
  answerAll(pending, () =>
    isEarly && isWhole
      ? bareAnswer('notBilled', `batch_${state.status}`, 'retry')
      : bareAnswer('unknown', 'missingLine', 'retry'),
  );
  return { strangers, doubled, missing: isEarly && isWhole ? 0 : missing };
}

function answerOfLine(options: CollectOptions, line: ResultLine, waiting: Pending): ChatAnswer {
  const { result } = line;
  if (result.kind === 'notRun') return bareAnswer('notBilled', result.code, 'retry');
  if (result.kind === 'unclear') return bareAnswer('unknown', 'unclearLine', 'retry');
  const { api, now, onRefusedStructure } = options;
  const { request, asked } = waiting;
  const found = answerOf(api, result.exchange, now(), asked, request.fits);
  if (found.refusedStructure) onRefusedStructure();
  return found.answer;
}

/** Problems of a whole batch that pass by themselves. */
const passing = new Set(['token_limit_exceeded', 'rate_limit_exceeded', 'server_error']);

function refusalOf({ api, state }: CollectOptions): ChatAnswer {
  const { code = 'failed', message = '' } = state.problem ?? {};
  const advice = passing.has(code) ? 'retry' : 'stop';
  return bareAnswer('notBilled', api.spoken(code), advice, api.spoken(message));
}

function answerAll(pending: Map<string, Pending>, answer: () => ChatAnswer): void {
  const all = [...pending.values()];
  pending.clear();
  for (const { resolve } of all) resolve(answer());
}
