import { namedDraws } from '../../random/named_draws.js';
import type { ChatAnswer, ChatRequest, Provider } from '../provider.js';
import type { Template } from '../template.js';
import { compose } from './compose.js';
import { createRecogniser } from './recognise.js';
import { readVocabulary } from './vocabulary.js';

const charactersPerToken = 4;

/**
 * A provider that writes by rule, offline: it knows the templates it is given by their wording and
 * answers in their output shape. Equal requests have equal answers. What it writes is for trying a
 * run out, not for training on: tokens are estimated, four characters each.
 */
export async function createRehearsalProvider(
  templates: ReadonlyMap<string, Template>,
): Promise<Provider> {
  const vocabulary = await readVocabulary();
  const recognise = createRecogniser(templates.values());
  return {
    chat: async (request, signal) => {
      if (signal?.aborted === true) return answered(request, 'cancelled', undefined);
      const found = recognise(request.messages.at(-1)?.content ?? '');
      if (found === undefined) return answered(request, 'unknownPrompt', undefined);
      const words = request.messages.map(({ content }) => content);
      const next = namedDraws(JSON.stringify(words), request.seed ?? 0);
      return answered(request, 'ok', compose(found, vocabulary, next));
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function answered(request: ChatRequest, reason: string, content: string | undefined): ChatAnswer {
  const prompt = request.messages.reduce((sum, message) => sum + message.content.length, 0);
  const tokens = (characters: number): number => Math.ceil(characters / charactersPerToken);
  return {
    kind: content === undefined ? 'notSent' : 'ok',
    reason,
    advice: content === undefined ? 'stop' : 'done',
    status: content === undefined ? undefined : 200,
    usage:
      content === undefined
        ? undefined
        : {
            promptTokens: tokens(prompt),
            completionTokens: Math.min(tokens(content.length), request.maxOutputTokens),
          },
    retryAfterMs: undefined,
    content,
    detail:
      reason === 'unknownPrompt'
        ? 'the rehearsal knows no template with this wording; it is for shipped templates and yours'
        : undefined,
    headers: new Map(),
  };
}
