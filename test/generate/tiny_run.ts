// A one-call recipe over the shipped Sim-GPT template, and runs of it against the fake server.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatOfName } from '#dist/dataset/input.js';
import { canonicalHash } from '#dist/files/canonical_json.js';
import { createBreaker } from '#dist/generate/breaker.js';
import { systemClock } from '#dist/generate/clock.js';
import { createLiveDispatcher } from '#dist/generate/dispatch.js';
import { generate } from '#dist/generate/generate.js';
import type { GenerateOptions, GenerateResult } from '#dist/generate/generate.js';
import { textInput } from '#dist/generate/input_rows.js';
import { createLimiter } from '#dist/generate/limiter.js';
import { createProvider } from '#dist/generate/provider.js';
import type { Provider } from '#dist/generate/provider.js';
import type { Recipe, Unit } from '#dist/generate/recipe.js';
import type { GenerationPlan } from '#dist/generate/run_records.js';
import { loadTemplates } from '#dist/generate/template.js';
import type { Template } from '#dist/generate/template.js';

export function tinyRecipe(template: Template): Recipe {
  return {
    name: 'tiny',
    input: 'texts',
    settings: {},
    before: [],
    last: {
      name: 'write',
      async *units(rows) {
        for await (const { id, fields } of rows) yield { id, inputs: fields } satisfies Unit;
      },
      next: (unit, answers) => {
        const answer = answers.get('write');
        const inputs = { sentence: unit.inputs['text'] ?? '' };
        if (answer === undefined) {
          return { kind: 'calls', calls: [{ name: 'write', template, inputs }] };
        }
        const { anchor, positive = '', hardNegatives } = answer.parsed.example!;
        const texts = { anchor, positive, hardNegatives: [...hardNegatives] };
        return { kind: 'rows', rows: [{ id: unit.id, ...texts, provenance: [answer.provenance] }] };
      },
    },
  };
}

export interface TinyRun {
  readonly folder: string;
  readonly input: string;
  readonly baseUrl?: string;
  readonly inFlight?: number;
  readonly model?: string;
  readonly limit?: number;
  readonly provider?: Provider;
  readonly limits?: { readonly callMs: number; readonly idleMs: number };
  readonly seed?: number;
  /** Send the bare sentence instead of the shipped prompt. */
  readonly bare?: boolean;
}

const patient = { callMs: 60_000, idleMs: 60_000 };

/** `count` sentences, one a line, none of them like another. */
export async function writeSentences(folder: string, count: number): Promise<string> {
  const path = join(folder, 'input.txt');
  const lines = Array.from({ length: count }, (_, i) => `Boat ${i} leaves the harbour at dawn.\n`);
  await writeFile(path, lines.join(''));
  return path;
}

/** Runs the tiny recipe; what `more` names takes the place of the defaults. */
export async function runTiny(
  { folder, input, baseUrl = 'http://127.0.0.1:1/v1', ...given }: TinyRun,
  more: Partial<GenerateOptions> = {},
): Promise<GenerateResult> {
  const { inFlight = 16, model = 'fake-model', limit, provider, seed = 1 } = given;
  const shipped = (await loadTemplates()).get('simgpt-captions')!;
  const bare = [{ role: 'user' as const, text: '{sentence}' }];
  const { examples: _, ...rest } = shipped;
  const template = given.bare === true ? { ...rest, messages: bare } : shipped;
  const source = await textInput(input, { format: formatOfName(input) });
  const plan: GenerationPlan = {
    recipe: 'tiny',
    settings: {},
    templates: { [template.id]: template.hash },
    refusals: canonicalHash([]),
    model,
    seed,
    slotWeights: null,
    input: source.fingerprint,
    limit: limit ?? null,
    output: {},
  };
  const clock = more.clock ?? systemClock;
  const rates = { requestsPerMinute: Infinity, tokensPerMinute: Infinity };
  return generate({
    folder,
    recipe: tinyRecipe(template),
    plan,
    input: source,
    refusals: [],
    baseUrl,
    clock,
    rules: { backOffMs: 1 },
    dispatcher: () =>
      createLiveDispatcher({
        // Patient: what hangs is to be given up by the test that wants it so.
        provider: provider ?? createProvider({ baseUrl, limits: given.limits ?? patient }),
        limiter: createLimiter(rates, clock),
        breaker: createBreaker(clock),
        clock,
        inFlight,
      }),
    ...more,
  });
}

/** A clock that jumps to the end of every sleep. */
export function jumpingClock() {
  let now = 0;
  return {
    now: () => now,
    advance: (ms: number) => void (now += ms),
    sleep: async (ms: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      now += ms;
    },
  };
}
