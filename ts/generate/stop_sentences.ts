import type { Stop } from './halt.js';
import type { Caps, Claim, LedgerState } from './ledger_state.js';
import { claimCost, moneySpent, moneyText } from './money.js';
import type { ChatAnswer } from './provider.js';

interface Server {
  readonly baseUrl: string;
  readonly model: string;
}

/** Why the provider ends the run, as one sentence with what to do; the server's words come last. */
export function providerStop(answer: ChatAnswer, server: Server): Stop {
  const { reason, status, detail } = answer;
  const isOurs = reason === 'wrongServer' || reason === 'unreachable';
  const words =
    detail === undefined || detail === '' ? '' : ` (${isOurs ? '' : 'it says: '}${detail})`;
  const sentence = `${sentenceOf(reason, status, server)}${words}`;
  return { kind: 'provider', reason, sentence };
}

function sentenceOf(reason: string, status: number | undefined, server: Server): string {
  const { baseUrl, model } = server;
  const code = status === undefined ? '' : `${status} `;
  switch (reason) {
    case 'insufficient_quota':
      return `the account at ${baseUrl} is out of quota: add credit there, then run the same command again`;
    case 'model_not_found':
      return `the server at ${baseUrl} has no model "${model}": name one it has with --llm`;
    case 'wrongServer':
      return `${baseUrl} does not answer as an OpenAI-compatible API: check --base-url, up to and with its version`;
    case 'unreachable':
      return `${baseUrl} cannot be reached, or keeps failing: check --base-url and the network, then run the same command again`;
    default:
      break;
  }
  if (status === 401) {
    return `${baseUrl} refused the API key: check OPENAI_API_KEY or --api-key-file`;
  }
  return `${baseUrl} refused the call (${code}${reason}): the key may not use model "${model}"`;
}

/** What a cap kept from being bought. */
export function budgetSentence(
  refusal: 'tokens' | 'calls' | 'overrun' | 'money',
  state: LedgerState,
  caps: Caps,
  claim: Claim,
): string {
  const { sums } = state;
  if (refusal === 'overrun') {
    return (
      `the provider charged ${sums.overrunTokens} tokens beyond the limits it was sent: ` +
      'no further call is made'
    );
  }
  const { money } = caps;
  if (refusal === 'money' && money !== undefined) {
    const shown = (amount: number): string => `${moneyText(amount)} ${money.currency}`;
    return (
      `expected at most ${shown(money.most)} (--max-cost), ${shown(moneySpent(state, money))} are ` +
      `spent or booked and the next call may cost ${shown(claimCost(claim, money))}: raise it to go on`
    );
  }
  const calls = sums.settledCalls + sums.bookedCalls;
  const tokens = sums.settledTokens + sums.bookedTokens;
  return refusal === 'calls'
    ? `expected at most ${caps.calls} calls (--max-calls), ${calls} are made: raise it to go on`
    : `expected at most ${caps.tokens} tokens (--max-tokens-total), ${tokens} are spent or booked ` +
        `and the next call may cost ${claim.tokens}: raise it to go on`;
}
