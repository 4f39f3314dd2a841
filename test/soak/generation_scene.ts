// Runs of `simgpt generate` against the fake server, small prompts and all, for the soak and its tests.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ledgerPrices } from '#dist/generate/prices.js';
import { readLedger } from '#dist/generate/run_ledger.js';
import type { Bill, startFakeServer } from '../generate/fake_process.js';
import { repoRoot } from '../shared_data.js';

export type FakeServer = Awaited<ReturnType<typeof startFakeServer>>;

/** 15 % of first attempts end in a fault, at least a third of those after they were billed. */
export const stormyRates = {
  limitBrief: 0.04,
  error500: 0.04,
  gateway504: 0.01,
  truncated: 0.02,
  cut: 0.01,
  reset: 0.01,
  length: 0.01,
  emptyChoices: 0.005,
  refusal: 0.003,
  hang: 0.002,
} as const;

export interface Scene {
  readonly root: string;
  readonly input: string;
  readonly templates: string;
  readonly ids: readonly string[];
}

/** Rows that no attempt can answer, one in so many: they belong in the quarantine file. */
const hopelessEvery = 97;

/** An input of `count` rows and a template that sends the bare sentence. */
export async function makeScene(root: string, count: number): Promise<Scene> {
  const templates = join(root, 'templates');
  await mkdir(templates, { recursive: true });
  const template = {
    id: 'simgpt-sentences',
    version: 1,
    purpose: 'A short prompt for tests',
    messages: [{ role: 'user', text: '{sentence}' }],
    slots: { sentence: { from: 'input', lines: 'one' } },
    output: { kind: 'numberedLines', fields: ['similar', 'dissimilar'] },
    example: { anchor: 'sentence', positive: 'similar', hardNegatives: ['dissimilar'] },
    decoding: { temperature: 1, maxTokens: 64 },
  };
  await writeFile(join(templates, 'short.json'), JSON.stringify(template));
  const ids = Array.from({ length: count }, (_, index) => `row-${index}`);
  const lines = ids.map((id, index) => {
    const fault = (index + 1) % hopelessEvery === 0 ? 'fault:length ' : '';
    return `${JSON.stringify({ id, text: `${fault}Boat ${index} leaves the harbour.` })}\n`;
  });
  const input = join(root, 'input.jsonl');
  await writeFile(input, lines.join(''));
  return { root, input, templates, ids };
}

/** Exit code of a run whose hopeless rows are in quarantine. */
export function codeOf(count: number): number {
  return count >= hopelessEvery ? 3 : 0;
}

/** Node's arguments of one run. */
export function generateArgs(
  scene: Scene,
  server: Pick<FakeServer, 'baseUrl'>,
  folder: string,
  more: readonly string[] = [],
): string[] {
  const files = ['--input', scene.input, '--output', folder, '--templates', scene.templates];
  return [
    join(repoRoot, 'bin/simgpt.mjs'),
    'generate',
    'simgpt',
    ...files,
    '--llm=fake-model',
    '--no-report',
    `--base-url=${server.baseUrl}`,
    '--retry-delay-ms=1',
    '--call-timeout-ms=1000',
    ...more,
  ];
}

export function tokensOf({ promptTokens, completionTokens }: Bill): number {
  return promptTokens + completionTokens;
}

/** What the model costs: one unit a token of its prompt, three of its answer. */
export const soakPrices = {
  currency: 'EUR',
  models: { 'fake-model': { inputPerMillionTokens: 1e6, outputPerMillionTokens: 3e6 } },
} as const;

export interface Spent {
  readonly tokens: number;
  readonly calls: number;
  readonly money: number;
}

/** Settled and booked together, as the journal has them now. */
export async function spentOf(folder: string): Promise<Spent> {
  const ledger = await readLedger(folder);
  const { settledTokens, bookedTokens, settledCalls, bookedCalls } = ledger;
  const costs = ledgerPrices(ledger, soakPrices).map(({ cost }) => cost!.atMost);
  return {
    tokens: settledTokens + bookedTokens,
    calls: settledCalls + bookedCalls,
    money: costs.reduce((sum, cost) => sum + cost, 0),
  };
}
