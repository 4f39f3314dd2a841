// Hostile answers through the parser, and through whole runs (RELIABILITY 7, G10 and C1): nothing
// throws, what is kept is kept to the letter, no name of a file comes of it, and no terminal obeys it.
//   node hostile_fuzz.js --seed 1 --count 100000 [--replay 17]
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { forTerminal, forTerminalLine } from '#dist/cli/terminal.js';
import type { OutputShape } from '#dist/generate/answer_shapes.js';
import { openAnswerStore } from '#dist/generate/answer_store.js';
import { classify } from '#dist/generate/classify.js';
import { serializeExample } from '#dist/generate/example.js';
import { dropReasons, parseAnswer } from '#dist/generate/parse.js';
import type { ParsedAnswer } from '#dist/generate/parse.js';
import type { Provider } from '#dist/generate/provider.js';
import { loadRefusals } from '#dist/generate/refusals.js';
import type { RefusalPhrases } from '#dist/generate/refusals.js';
import { loadTemplates } from '#dist/generate/template.js';
import type { Template } from '#dist/generate/template.js';
import { hostileAnswer } from './hostile_answers.js';
import { runTiny, writeSentences } from './tiny_run.js';

export interface Fuzzed {
  /** A sentence each. */
  readonly failures: readonly string[];
  /** How many answers were kept, and how many dropped for each reason. */
  readonly counts: ReadonlyMap<string, number>;
}

const obeyed =
  // oxlint-disable-next-line no-control-regex -- control bytes are what must not be there
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** UTF-8 holds no half of a surrogate pair. */
function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
}

/** Answers number `from` to `from + count - 1`, each to the shipped template whose turn it is. */
export async function fuzzParser(seed: number, from: number, count: number): Promise<Fuzzed> {
  const templates = [...(await loadTemplates()).values()];
  const refusals = await loadRefusals();
  const failures: string[] = [];
  const counts = new Map<string, number>();
  for (let number = from; number < from + count; number += 1) {
    const template = templates[number % templates.length]!;
    const answer = hostileAnswer(template.output, seed, number);
    const slots = new Map(Object.keys(template.slots).map((name) => [name, `The ${name}.`]));
    try {
      const parsed = parseAnswer(template, slots, answer, { refusals });
      const outcome = 'reason' in parsed ? parsed.reason : 'kept';
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      const wrong = faultOf(template, answer.text, parsed, refusals);
      if (wrong !== undefined) failures.push(`answer ${number} to ${template.id}: ${wrong}`);
    } catch (error) {
      failures.push(`answer ${number} to ${template.id} threw ${String(error).slice(0, 200)}`);
    }
  }
  if (Object.keys(Object.prototype).length > 0) failures.push('Object.prototype has new members');
  return { failures, counts };
}

/** What is wrong with what became of an answer, or undefined. */
function faultOf(
  template: Template,
  text: string,
  parsed: ReturnType<typeof parseAnswer>,
  refusals: readonly RefusalPhrases[],
): string | undefined {
  if (obeyed.test(forTerminal(text)) || obeyed.test(forTerminalLine(text))) {
    return 'a terminal would obey what is shown of it';
  }
  if ('reason' in parsed) {
    if (!dropReasons.includes(parsed.reason))
      return `expected a known reason, received ${parsed.reason}`;
    return parsed.detail.length < 500
      ? undefined
      : `a detail of ${parsed.detail.length} characters`;
  }
  const kept = [...parsed.fields.values(), ...parsed.list];
  const source = wellFormed(text);
  const isJson = template.output.kind === 'jsonObject' || template.output.kind === 'stringList';
  for (const part of kept) {
    if (part.trim() === '' || part.length > 32_768)
      return `kept a text of ${part.length} characters`;
    const isChosen = choicesOf(template).includes(part);
    if (!isJson && !isChosen && !source.includes(part)) return 'kept what is not in the answer';
    if (isJson && !isChosen && !stringsIn(source).has(part))
      return 'kept what no string of it says';
  }
  return rowFault(parsed) ?? againFault(template, text, parsed, refusals);
}

function choicesOf({ output }: Template): readonly string[] {
  if (output.kind === 'choice') return output.choices;
  return output.kind === 'jsonObject' ? Object.values(output.choices ?? {}).flat() : [];
}

/** Every JSON string in a text, trimmed, by a scanner of its own. */
function stringsIn(text: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [literal] of text.matchAll(/"(?:[^"\\]|\\[^])*"/g)) {
    try {
      found.add(wellFormed(JSON.parse(literal) as string).trim());
    } catch {
      // Not JSON, so nobody's string.
    }
  }
  return found;
}

/** The row is one line of JSON that says the texts. */
function rowFault({ example }: ParsedAnswer): string | undefined {
  if (example === null || example.positive === undefined) return undefined;
  const { anchor, positive } = example;
  const hardNegatives = [...example.hardNegatives];
  const line = serializeExample({
    id: 'x',
    anchor,
    positive,
    hardNegatives,
    provenance: [
      {
        template: { id: 'x', version: 1, hash: '0'.repeat(64) },
        model: 'x',
        decoding: {},
        seed: 0,
        sourceId: 'x',
      },
    ],
  });
  if (/[\n\r]/.test(line)) return 'a row of several lines';
  const read = JSON.parse(Buffer.from(line).toString()) as Record<string, unknown>;
  return JSON.stringify([read['positive'], read['hardNegatives']]) ===
    JSON.stringify([wellFormed(positive), hardNegatives.map(wellFormed)])
    ? undefined
    : 'a row of other texts';
}

function againFault(
  template: Template,
  text: string,
  parsed: ParsedAnswer,
  refusals: readonly RefusalPhrases[],
): string | undefined {
  const slots = new Map(Object.keys(template.slots).map((name) => [name, `The ${name}.`]));
  const again = parseAnswer(template, slots, { text, finishReason: 'stop' }, { refusals });
  const said = (found: ParsedAnswer): string => JSON.stringify([[...found.fields], found.list]);
  return 'fields' in again && said(again) === said(parsed) ? undefined : 'read otherwise again';
}

/** A whole run of `count` examples in `root`, every answer hostile, down to its files. */
export async function fuzzRun(root: string, seed: number, count: number): Promise<Fuzzed> {
  const input = await writeSentences(root, count);
  const sent = new Map<string, string>();
  const { kind, commit } = await runTiny(
    {
      folder: join(root, 'run'),
      input,
      bare: true,
      inFlight: 64,
      provider: hostileProvider(seed, sent),
    },
    { refusals: await loadRefusals() },
  );
  const failures = kind === 'done' ? [] : [`the run is ${kind}`];
  const written = commit?.files.find(({ name }) => name === 'data.jsonl')?.rows ?? 0;
  const dropped = Object.entries(commit?.quarantined ?? {});
  const total = dropped.reduce((sum, [, lines]) => sum + lines, written);
  if (total !== count) failures.push(`expected ${count} rows and drops, found ${total}`);
  const names = await readdir(root, { recursive: true });
  const known = /^(?:input\.txt|run|run\/(?:answers|journal|data\.jsonl|quarantine\.jsonl))$/;
  failures.push(...names.filter((name) => !known.test(name)).map((name) => `a file ${name}`));
  const lines = await readFile(join(root, 'run/data.jsonl'), 'utf8');
  if (lines.split('\n').length !== written + 1) failures.push('a row of several lines');
  await using store = await openAnswerStore(join(root, 'run/answers'));
  if (store.size !== sent.size) failures.push(`${sent.size} answers, ${store.size} stored`);
  for (const [name, text] of sent) {
    const [id = '', attempt] = name.split('.');
    const found = (await store.of(id)).find((answer) => answer.attempt === Number(attempt));
    const same = wellFormed(found?.text ?? '') === wellFormed(text.slice(0, 2 ** 21));
    if (!same) failures.push(`answer ${name} is stored as another`);
  }
  return { failures, counts: new Map([['kept', written], ...dropped]) };
}

/** Answers as an HTTP server would, without the HTTP; `sent` takes what was billed, by attempt. */
function hostileProvider(seed: number, sent: Map<string, string>): Provider {
  const shape: OutputShape = { kind: 'numberedLines', fields: ['similar', 'dissimilar'] };
  let number = 0;
  return {
    chat: async ({ name = '', fits }) => {
      const { text, finishReason } = hostileAnswer(shape, seed, (number += 1));
      const choice = { index: 0, message: { content: text }, finish_reason: finishReason };
      const usage = { prompt_tokens: 9, completion_tokens: 9, total_tokens: 18 };
      const body = Buffer.from(JSON.stringify({ choices: [choice], usage }));
      const headers = new Map([['content-type', 'application/json']]);
      const answer = classify({ kind: 'answered', status: 200, headers, body }, 0, fits);
      if (answer.content !== undefined) sent.set(name, text);
      return { ...answer, headers };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '100000' },
      replay: { type: 'string' },
    },
  });
  const [seed, count] = [Number(values.seed), Number(values.count)];
  const reports = new Map<string, Fuzzed>();
  if (values.replay !== undefined) {
    reports.set('parser', await fuzzParser(seed, Number(values.replay), 1));
  } else {
    reports.set('parser', await fuzzParser(seed, 0, count));
    const root = await mkdtemp(join(tmpdir(), 'simgpt-fuzz-'));
    try {
      await mkdir(join(root, 'here'));
      reports.set('run', await fuzzRun(join(root, 'here'), seed, count));
      const beside = await readdir(root);
      if (beside.length !== 1) process.stdout.write(`beside the run: ${beside.join(', ')}\n`);
      process.exitCode = beside.length === 1 ? 0 : 1;
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }
  for (const [what, { failures, counts }] of reports) {
    const told = [...counts].map(([reason, lines]) => `${reason} ${lines}`).join(', ');
    process.stdout.write(`answers, ${what}, seed ${seed}: ${failures.length} failures; ${told}\n`);
    for (const failure of failures.slice(0, 20)) process.stdout.write(`  ${failure}\n`);
    if (failures.length > 0) process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
