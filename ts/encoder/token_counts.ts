import { native, runJob } from '../native.js';
import type { Checkpoint } from './checkpoint.js';
import { packTexts } from './pack.js';

const textsPerJob = 16_384;

/**
 * How often each token occurs in texts: [vocabulary], by id. Texts are read whole, without special
 * tokens. Throws what loading the tokenizer throws, `cancelled` when the signal aborts.
 */
export async function countTokens(
  { config, tokenizer, lowercaseText }: Checkpoint,
  lists: Iterable<readonly string[]>,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Float64Array> {
  const handle = await runJob(signal, (token) => native().loadTokenizer(tokenizer, token));
  const counts = new Float64Array(Math.max(config.vocabSize, handle.info().maxId + 1));
  const count = async (texts: readonly string[]): Promise<void> => {
    const { bytes, offsets } = packTexts(texts, { lowercase: lowercaseText });
    const options = { addSpecialTokens: false };
    const { tokenIds } = await runJob(signal, (token) =>
      handle.tokenize(bytes, offsets, options, token),
    );
    for (const id of tokenIds) counts[id] = (counts[id] ?? 0) + 1;
  };
  try {
    let waiting: string[] = [];
    for (const texts of lists) {
      for (const text of texts) {
        if (waiting.push(text) < textsPerJob) continue;
        await count(waiting);
        waiting = [];
      }
    }
    if (waiting.length > 0) await count(waiting);
    return counts;
  } finally {
    await handle.dispose();
  }
}
