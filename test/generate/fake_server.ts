// A fake OpenAI-compatible chat server: a process of its own, on loopback alone.
//   node fake_server.js '{"run": "seed", "rates": {"error500": 0.02}}'      prints its port
// The answer is a function of the example (the last user message); a fault, of run, example and
// attempt. A message that begins `fault:NAME` gets that fault, `once:NAME` on its first attempt. GET /bill tells what was billed, GET
// /bill/lines each billed call by its x-client-request-id, as JSON lines.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createBatches } from './fake_batches.js';
import type { BatchSettings } from './fake_batches.js';
import { chance, faults, hostileTexts, sendJson } from './fake_faults.js';
import type { Completion } from './fake_faults.js';

interface Settings {
  readonly run?: string;
  readonly rates?: Readonly<Record<string, number>>;
  readonly structured?: boolean;
  readonly models?: readonly string[];
  /** Only so many attempts at an example meet a fault; without limit unless given. */
  readonly faultyAttempts?: number;
  /** `numbered` answers in two numbered lines; `hostile` so too, with the text that is asked for. */
  readonly reply?: 'plain' | 'numbered' | 'hostile';
  readonly batch?: BatchSettings;
}

interface ChatBody {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly stream?: boolean;
  readonly response_format?: unknown;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const models = settings.models ?? ['fake-model'];
const attempts = new Map<string, number>();
const billLines: string[] = [];
const bill = { calls: 0, promptTokens: 0, completionTokens: 0, requests: 0, keys: 0 };

function words(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}

function replyOf(example: string, digest: string): string {
  switch (settings.reply) {
    case 'numbered':
      return `1. ${digest.slice(0, 8)} agrees.\n2. ${digest.slice(8, 16)} differs.`;
    case 'hostile': {
      const at = /Sentence (\d+):/.exec(example)?.[1];
      return `1. A ${hostileTexts[Number(at)] ?? ''} end\n2. It differs.`;
    }
    default:
      return `${digest.slice(0, 8)} answers ${example.slice(0, 60)}`;
  }
}

function completionOf({ model, messages, response_format: format }: ChatBody): Completion {
  const example = messages.at(-1)?.content ?? '';
  const digest = createHash('sha256').update(example).digest('hex');
  const text = replyOf(example, digest);
  const content = format === undefined ? text : JSON.stringify({ text });
  const prompt = messages.reduce((sum, message) => sum + words(message.content), 0) + 1;
  const completion = words(content);
  return {
    id: `chatcmpl-${digest.slice(0, 24)}`,
    object: 'chat.completion',
    created: 1_700_000_000,
    model,
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal: null }, finish_reason: 'stop' },
    ],
    usage: {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    },
  };
}

function faultFor(example: string): string | undefined {
  const attempt = (attempts.get(example) ?? 0) + 1;
  attempts.set(example, attempt);
  const [, when, asked] = /^(fault|once):(\w+)/.exec(example) ?? [];
  if (when !== undefined) return when === 'fault' || attempt === 1 ? asked : undefined;
  if (attempt > (settings.faultyAttempts ?? Number.POSITIVE_INFINITY)) return undefined;
  let drawn = chance(settings.run ?? '', example, attempt);
  for (const [name, rate] of Object.entries(settings.rates ?? {})) {
    if (drawn < rate) return name;
    drawn -= rate;
  }
  return undefined;
}

function stream(response: ServerResponse, good: Completion): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const { choices, usage, ...rest } = good;
  const message = choices[0]?.['message'] as { readonly content: string };
  const send = (part: object): void => {
    const chunk = { ...rest, object: 'chat.completion.chunk', ...part };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  for (const piece of message.content.match(/[^]{1,8}/g) ?? []) {
    send({ choices: [{ index: 0, delta: { content: piece }, finish_reason: null }] });
  }
  send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  send({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}

function charge(good: Completion, name: string): void {
  const [inputTokens = 0, outputTokens = 0] = [
    good.usage['prompt_tokens'],
    good.usage['completion_tokens'],
  ];
  bill.calls += 1;
  bill.promptTokens += inputTokens;
  bill.completionTokens += outputTokens;
  const [, id, attempt] = /^(.*)\.(\d+)$/.exec(name) ?? [];
  if (id === undefined) return;
  billLines.push(JSON.stringify({ id, attempt: Number(attempt), inputTokens, outputTokens }));
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { error: { message, type: 'invalid_request_error', code } });
}

function chat(response: ServerResponse, body: ChatBody): void {
  const example = body.messages.at(-1)?.content ?? '';
  if (!models.includes(body.model)) {
    return refuse(response, 404, 'model_not_found', `The model ${body.model} does not exist`);
  }
  if (body.response_format !== undefined && settings.structured === false) {
    return refuse(response, 400, 'unsupported', 'response_format json_schema is not supported');
  }
  const good = completionOf(body);
  const name = faultFor(example);
  const fault = name === undefined ? undefined : faults[name];
  if (name !== undefined && fault === undefined) {
    return refuse(response, 400, 'unknown_fault', `no fault ${name}`);
  }
  if (fault === undefined || fault.billed)
    charge(good, String(response.req.headers['x-client-request-id']));
  if (fault !== undefined) fault.answer(response, good);
  else if (body.stream === true) stream(response, good);
  else sendJson(response, 200, good);
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '';
  if (path.startsWith('/bill')) batches.finish();
  if (path === '/bill') return sendJson(response, 200, { ...bill, ...batches.totals() });
  if (path === '/bill/lines') return void response.end(billLines.map((l) => `${l}\n`).join(''));
  bill.requests += 1;
  if (request.headers.authorization !== undefined) bill.keys += 1;
  if (path === '/v1/models') {
    const data = models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'fake' }));
    return sendJson(response, 200, { object: 'list', data });
  }
  if (path === '/v1/chat/completions' && request.method === 'POST') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return chat(response, JSON.parse(Buffer.concat(chunks).toString()) as ChatBody);
  }
  if (await batches.handle(request, response)) return;
  refuse(response, 404, 'not_found', `no ${path}`);
}

const batches = createBatches({
  run: settings.run ?? '',
  settings: settings.batch ?? {},
  models,
  complete: (body) => completionOf(body as ChatBody),
  faultFor: (body) => faultFor((body as ChatBody).messages.at(-1)?.content ?? ''),
  charge,
});

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    refuse(response, 400, 'bad_body', String(error));
  });
});
// A client that was busy for longer than the default 5 s would lose the call it begins just then.
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) process.stdout.write(`${address.port}\n`);
});
// The parent holds our stdin: with it we end, however it ended.
process.stdin.on('end', () => process.exit(0)).resume();
