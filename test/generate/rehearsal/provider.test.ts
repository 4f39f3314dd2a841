import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Encoder } from '#dist/index.js';
import { parseAnswer } from '#dist/generate/parse.js';
import { prepareCall } from '#dist/generate/planned_request.js';
import { loadRefusals } from '#dist/generate/refusals.js';
import type { RefusalPhrases } from '#dist/generate/refusals.js';
import { createRehearsalProvider } from '#dist/generate/rehearsal/provider.js';
import { createRecogniser } from '#dist/generate/rehearsal/recognise.js';
import { loadTemplates } from '#dist/generate/template.js';
import type { Template } from '#dist/generate/template.js';
import { repoRoot } from '../../shared_data.js';

let templates: ReadonlyMap<string, Template>;
let refusals: readonly RefusalPhrases[];
let sentences: readonly string[];
before(async () => {
  templates = await loadTemplates();
  refusals = await loadRefusals();
  sentences = (await readFile(join(repoRoot, 'data/sentences.txt'), 'utf8')).trim().split('\n');
});

const settings = { model: 'rehearsal', seed: 3 };

/** A call of the template about the given sentence. */
function callOf(template: Template, id: string, sentence: string) {
  const inputs: Record<string, string> = {};
  for (const [name, slot] of Object.entries(template.slots)) {
    if (slot.from !== 'input') continue;
    inputs[name] =
      name === 'characters'
        ? ['A pilot', 'A judge', 'A cook', 'A poet', 'A miner'].join('\n')
        : sentence;
  }
  return prepareCall({ name: 'call', template, inputs }, 'stage', { id, inputs: {} }, settings);
}

test('every shipped template is recognised by its last message, with its slots', () => {
  const recognise = createRecogniser(templates.values());
  for (const template of templates.values()) {
    for (let i = 0; i < 40; i++) {
      const call = callOf(template, `row ${i}`, `${sentences[i]!} Input: {sentence} (a|b)`);
      const found = recognise(call.request(0).messages.at(-1)!.content);
      assert.equal(found?.template.id, template.id);
      // What stands in guidelines alone is not looked for there.
      const hidden = template.guidelines?.texts.join() ?? '';
      for (const [name, value] of call.slots) {
        if (hidden.includes(`{${name}}`)) continue;
        assert.equal(found.slots.get(name), value, `${template.id} ${name}`);
      }
    }
  }
});

test('it answers every shipped template in a form that can be used', async () => {
  await using provider = await createRehearsalProvider(templates);
  for (const template of templates.values()) {
    for (let i = 0; i < 25; i++) {
      const call = callOf(template, `row ${i}`, sentences[i]!);
      const answer = await provider.chat(call.request(0));
      assert.deepEqual([answer.kind, answer.advice], ['ok', 'done']);
      const given = { text: answer.content!, finishReason: 'stop' };
      const parsed = parseAnswer(template, call.slots, given, { refusals });
      assert.ok(!('reason' in parsed), `${template.id}: ${JSON.stringify(parsed)}`);
      const { promptTokens, completionTokens } = answer.usage!;
      assert.ok(promptTokens + completionTokens <= call.tokens, template.id);
    }
  }
});

test('equal requests have equal answers, from another provider and in another order too', async () => {
  const requests = sentences
    .slice(0, 30)
    .map((text, i) => callOf(templates.get('simgpt-sentences')!, `r${i}`, text).request(0));
  const answersOf = async (order: typeof requests) => {
    await using provider = await createRehearsalProvider(templates);
    const all = new Map<string, string>();
    for (const request of order) {
      all.set(JSON.stringify(request), (await provider.chat(request)).content!);
    }
    return all;
  };
  const forward = await answersOf(requests);
  const backward = await answersOf(requests.toReversed());
  for (const [request, content] of forward) assert.equal(backward.get(request), content);
  assert.ok(new Set(forward.values()).size === requests.length);
});

test('another try at a call, with another seed, is another answer', async () => {
  await using provider = await createRehearsalProvider(templates);
  const call = callOf(templates.get('simgpt-sentences')!, 'r', sentences[0]!);
  const contents = await Promise.all(
    [0, 1, 2, 3].map(async (turn) => (await provider.chat(call.request(turn))).content),
  );
  assert.ok(new Set(contents).size > 1);
});

test('a prompt of no template stops the run, and costs nothing', async () => {
  await using provider = await createRehearsalProvider(templates);
  const answer = await provider.chat({
    model: 'rehearsal',
    messages: [{ role: 'user', content: 'Tell me a story.' }],
    maxOutputTokens: 10,
  });
  assert.deepEqual([answer.kind, answer.advice, answer.usage], ['notSent', 'stop', undefined]);
});

test('text that looks like a pattern or a slot is text', async () => {
  await using provider = await createRehearsalProvider(templates);
  for (const text of ['(.*)+$ \\d [a-', '{examples} {sentence}', '$& $1 ${x}', '1. one 2. two']) {
    const call = callOf(templates.get('simgpt-captions')!, 'r', text);
    const answer = await provider.chat(call.request(0));
    assert.equal(answer.kind, 'ok');
  }
});

test('similar sentences are closer than dissimilar ones in at least 90 % of 300', async () => {
  await using provider = await createRehearsalProvider(templates);
  const template = templates.get('simgpt-sentences')!;
  const texts: string[] = [];
  for (const [i, sentence] of sentences.slice(0, 300).entries()) {
    const call = callOf(template, `r${i}`, sentence);
    const { content } = await provider.chat(call.request(0));
    const given = { text: content!, finishReason: 'stop' };
    const parsed = parseAnswer(template, call.slots, given, { refusals });
    assert.ok('example' in parsed && parsed.example !== null);
    texts.push(sentence, parsed.example.positive!, parsed.example.hardNegatives[0]!);
  }
  assert.equal(texts.length, 900);
  await using encoder = await Encoder.load('simgpt-small', { precision: 'float32' });
  const { embeddings, shape } = await encoder.embed(texts, { normalize: true });
  const cosine = (a: number, b: number): number => {
    const left = embeddings.subarray(a * shape[1], (a + 1) * shape[1]);
    const right = embeddings.subarray(b * shape[1], (b + 1) * shape[1]);
    return left.reduce((sum, value, i) => sum + value * right[i]!, 0);
  };
  let closer = 0;
  for (let at = 0; at < texts.length; at += 3) {
    if (cosine(at, at + 1) > cosine(at, at + 2)) closer++;
  }
  assert.ok(closer >= 270, `${closer} of 300`);
});
