import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { canonicalHash, canonicalJson, withoutUndefined } from '#dist/files/canonical_json.js';
import { loadRefusals } from '#dist/generate/refusals.js';
import { renderCall } from '#dist/generate/slots.js';
import { loadTemplates, readTemplate } from '#dist/generate/template.js';
import type { Template } from '#dist/generate/template.js';
import { temporaryFolder } from '../temporary_folder.js';

let shipped: ReadonlyMap<string, Template>;
before(async () => {
  shipped = await loadTemplates();
});

// Slots of each recipe as METHODS names them; a slot that is lost changes what is bought.
const slotSets: Readonly<Record<string, readonly string[]>> = {
  'e5-bitext': ['difficulty', 'high_score', 'low_score', 'src_lang', 'tgt_lang'],
  'e5-brainstorm-long-long': [],
  'e5-brainstorm-long-short': [],
  'e5-brainstorm-short-long': [],
  'e5-brainstorm-short-short': [],
  'e5-sts': ['difficulty', 'high_score', 'language', 'low_score', 'unit'],
  'e5-write-long-long': ['language', 'task'],
  'e5-write-long-short': ['clarity', 'difficulty', 'language', 'num_words', 'task'],
  'e5-write-short-long': [
    'clarity',
    'difficulty',
    'language',
    'num_words',
    'query_length',
    'query_type',
    'task',
  ],
  'e5-write-short-short': ['language', 'task'],
  'judge-negative': ['anchor', 'candidate', 'positive'],
  'label-verdict': ['first', 'second'],
  'multicsr-grade': ['first', 'second'],
  'multicsr-negative': ['sentence'],
  'multicsr-positive': ['sentence'],
  'qwen3-configure': ['characters', 'passage'],
  'qwen3-write': ['character', 'difficulty', 'language', 'num_words', 'passage', 'type'],
  'simgpt-captions': ['sentence'],
  'simgpt-questions': ['sentence'],
  'simgpt-sentences': ['sentence'],
  'syncse-anchor': ['amount', 'genre', 'topics'],
  'syncse-anchor-captions': ['amount', 'genre', 'topics'],
  'syncse-negative': ['instruction', 'sentence'],
  'syncse-positive': ['instruction', 'sentence'],
};

test('each shipped template has its slots', () => {
  assert.deepEqual([...shipped.keys()].sort(), Object.keys(slotSets).sort());
  for (const [id, names] of Object.entries(slotSets)) {
    assert.deepEqual(Object.keys(shipped.get(id)!.slots).sort(), names, id);
  }
});

test('worked examples, kinds and decoding are as published', () => {
  for (const source of ['captions', 'questions', 'sentences']) {
    const { examples } = shipped.get(`simgpt-${source}`)!;
    assert.deepEqual([examples!.as, examples!.count, examples!.rows.length], ['text', 8, 8]);
  }
  for (const [side, topP] of [
    ['positive', 0.9],
    ['negative', 0.95],
  ] as const) {
    const { examples, slots, decoding } = shipped.get(`syncse-${side}`)!;
    assert.deepEqual([examples!.as, examples!.count, examples!.rows.length], ['turns', 5, 18]);
    const { instruction } = slots;
    assert.ok(instruction?.from === 'values' && instruction.values.length === 4);
    assert.deepEqual([decoding.temperature, decoding.topP], [1, topP]);
    assert.equal(shipped.get(`multicsr-${side}`)!.examples!.rows.length, 2);
  }
  const anchor = shipped.get('syncse-anchor')!;
  assert.equal(anchor.decoding.temperature, 1.3);
  assert.equal(anchor.messages[0]!.text.length, 4);
  assert.ok(anchor.slots['topics']?.from === 'values' && anchor.slots['topics'].count === 6);
});

test('each shipped template renders with every value in place and no brace left', () => {
  for (const template of shipped.values()) {
    const inputs: Record<string, string> = {};
    for (const [name, slot] of Object.entries(template.slots)) {
      if (slot.from === 'input') inputs[name] = `value of ${name}`;
    }
    const { messages, slots } = renderCall(template, inputs, { seed: 1, exampleId: 'one' });
    const whole = messages.map(({ text }) => text).join('\n');
    if (template.output.kind !== 'jsonObject') assert.doesNotMatch(whole, /[{}]/, template.id);
    // A guideline that is absent leaves no line.
    assert.doesNotMatch(whole, /^- *$/m, template.id);
    for (const [name, value] of slots) {
      assert.ok(whole.includes(value), `${template.id} ${name}`);
    }
    const block = template.examples;
    if (block?.as === 'turns') {
      const turns = block.count * block.turns.length;
      assert.equal(messages.length, template.messages.length + turns, template.id);
    } else if (block !== undefined) {
      for (const value of block.rows.flatMap((row) => Object.values(row))) {
        assert.ok(whole.includes(value), template.id);
      }
    }
    assert.equal(messages.at(-1)!.role, 'user');
  }
});

test('the groups of E5 keep their bands, fields, weights and examples', () => {
  const slot = (id: string, name: string) => {
    const found = shipped.get(`e5-${id}`)!.slots[name];
    assert.ok(found?.from === 'values', `${id} ${name}`);
    return found;
  };
  assert.deepEqual(slot('sts', 'low_score').values, ['2.5', '3', '3.5']);
  assert.deepEqual(slot('bitext', 'low_score').values, ['1.5', '2', '2.5']);
  assert.deepEqual(slot('sts', 'high_score').values, ['4', '4.5', '5']);
  assert.deepEqual(slot('sts', 'unit').weights, { skewed: [0.9, 0.05, 0.05] });
  const lengths = slot('write-long-short', 'num_words').weights;
  assert.deepEqual(lengths, { skewed: [0.1, 0.3, 0.2, 0.2, 0.2] });
  const asymmetric = 'write-short-long';
  assert.deepEqual(slot(asymmetric, 'query_type').weights, { skewed: [0.4, 0.5, 0.1] });
  assert.deepEqual(slot(asymmetric, 'query_length').weights, { skewed: [0.4, 0.4, 0.2] });
  assert.deepEqual(slot(asymmetric, 'clarity').weights, { skewed: [0.6, 0.2, 0.2] });
  assert.equal(slot(asymmetric, 'num_words').values.length, 6);
  assert.equal(slot(asymmetric, 'difficulty').presence, 0.5);
  const { values, weights } = slot('sts', 'language');
  assert.equal(new Set(values).size, values.length);
  const total = weights!['skewed']!.reduce((sum, weight) => sum + weight, 0);
  assert.ok(Math.abs(weights!['skewed']![0]! / total - 0.43) < 0.001);
  const shots = ['short-long', 'long-short', 'short-short', 'long-long'].map(
    (group) => shipped.get(`e5-brainstorm-${group}`)!.examples?.count ?? 0,
  );
  assert.deepEqual(shots, [2, 0, 3, 2]);
  const fields = (id: string) => {
    const { output } = shipped.get(`e5-${id}`)!;
    return 'fields' in output ? output.fields.join(' ') : '';
  };
  assert.equal(fields(asymmetric), 'user_query positive_document hard_negative_document');
  assert.equal(fields('write-long-short'), 'input_text label misleading_label');
  assert.equal(fields('write-short-short'), 'input positive_document');
  assert.equal(fields('write-long-long'), 'input positive_document');
  assert.equal(fields('sts'), 'S1 S2 S3');
  assert.equal(fields('bitext'), 'S1 S2 S3');
});

test('the two languages of a bitext call differ', () => {
  for (let i = 0; i < 300; i++) {
    const key = { seed: i, exampleId: 'x', slotWeights: 'skewed' };
    const { slots } = renderCall(shipped.get('e5-bitext')!, {}, key);
    assert.notEqual(slots.get('src_lang'), slots.get('tgt_lang'));
  }
});

test('no worked example is used twice or copies itself', () => {
  for (const { id, examples } of shipped.values()) {
    for (const row of examples?.rows ?? []) {
      assert.equal(new Set(Object.values(row)).size, Object.keys(row).length, id);
    }
    const firsts = (examples?.rows ?? []).map((row) => Object.values(row)[0]);
    assert.equal(new Set(firsts).size, firsts.length, id);
  }
});

const minimal = {
  id: 'mine',
  version: 1,
  purpose: 'A test',
  messages: [{ role: 'user', text: 'Say {word} as {{"a": 1}}' }],
  slots: { word: { from: 'input', lines: 'many' } },
  output: { kind: 'sentence', field: 'said' },
  decoding: { temperature: 0, maxTokens: 5 },
};

const guided = (texts: readonly string[]) => ({
  guidelines: { order: 'fixed', texts },
  messages: [{ role: 'user', text: 'Say {word} {guidelines}' }],
});

const shown = { messages: [{ role: 'user', text: '{word} {examples}' }] };

// What is wrong, and what the error must name.
const faults: readonly (readonly [change: Record<string, unknown>, named: RegExp])[] = [
  [{ id: 'Bad Id' }, /field id: expected text that matches .*received "Bad Id"/],
  [{ version: 1.5 }, /field version: expected .*int.*received 1\.5/],
  [{ more: 1 }, /field \(whole file\): expected no other fields, received "more"/],
  [{ messages: [] }, /field messages: expected at least 1/],
  [{ messages: [{ role: 'robot', text: '{word}' }] }, /messages\[0\]\.role: expected "system" or /],
  [
    { messages: [{ role: 'user', text: '{other} {word}' }] },
    /messages\[0\]\.text: .*not \{other\}/,
  ],
  [{ messages: [{ role: 'user', text: 'nothing' }] }, /field messages: .*unused word/],
  [{ messages: [{ role: 'user', text: '{word} {' }] }, /messages\[0\]\.text: .*doubled/],
  [guided(['Be {brief}.']), /guidelines\.texts\[0\]: .*not \{brief\}/],
  [guided([]), /guidelines\.texts: expected at least 1/],
  [{ guidelines: { order: 'fixed', texts: ['Be brief.'] } }, /unused guidelines/],
  [{ slots: { guidelines: { from: 'input', lines: 'one' } } }, /slots\.guidelines: .*another name/],
  [
    { output: { kind: 'jsonObject', fields: ['a'], choices: { b: ['x', 'y'] } } },
    /output\.choices: expected fields among a, not b/,
  ],
  [{ output: { kind: 'poem' } }, /field output\.kind: expected .*"?sentence/],
  [{ decoding: { temperature: 3, maxTokens: 5 } }, /decoding\.temperature: expected at most 2/],
  [
    { slots: { word: { from: 'values', values: ['a'], weights: { skewed: [1, 2] } } } },
    /1 weights/,
  ],
  [
    { slots: { word: { from: 'values', values: ['a'], count: 2 } } },
    /slots\.word\.values: .*2 different/,
  ],
  [
    { slots: { word: { from: 'values', values: ['a', 'b'], differsFrom: 'late' } } },
    /slots\.word\.differsFrom: expected an earlier slot/,
  ],
  [{ slots: { word: { from: 'shell' } } }, /field slots\.word\.from: expected .*received "shell"/],
  [{ example: { anchor: 'nobody' } }, /field example: expected names among word, said/],
  [
    {
      ...shown,
      examples: { as: 'text', text: '{a}', separator: '', count: 2, rows: [{ a: '1' }] },
    },
    /examples\.count: expected at most 1/,
  ],
  [
    {
      ...shown,
      examples: { as: 'text', text: '{word}', separator: '', count: 1, rows: [{ word: '1' }] },
    },
    /examples\.rows\[0\]: expected the fields word, none of them named as a slot/,
  ],
];

test('a faulty template is refused by file, field and accepted values', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'mine.json');
  for (const [change, named] of faults) {
    await writeFile(path, JSON.stringify({ ...minimal, ...change }));
    await assert.rejects(readTemplate(path), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'fileInvalid');
      assert.ok(error.message.startsWith(`${path}: field `), error.message);
      assert.match(error.message, named);
      return true;
    });
  }
  for (const text of [
    '',
    '[]',
    'null',
    '{',
    '{"__proto__": {"id": "x"}}',
    '{"slots":{"__proto__":1}}',
  ]) {
    await writeFile(path, text);
    await assert.rejects(readTemplate(path), { code: 'fileInvalid' });
  }
});

test('a folder of the user replaces a template by id and adds others', async (context) => {
  const folder = await temporaryFolder(context);
  await mkdir(join(folder, 'own'));
  const own = { ...minimal, id: 'multicsr-grade', purpose: 'Mine' };
  await writeFile(join(folder, 'own', 'grade.json'), JSON.stringify(own));
  await writeFile(join(folder, 'mine.json'), JSON.stringify(minimal));
  const templates = await loadTemplates({ folder });
  assert.equal(templates.get('multicsr-grade')!.purpose, 'Mine');
  assert.equal(templates.size, shipped.size + 1);
  await writeFile(join(folder, 'again.json'), JSON.stringify(minimal));
  await assert.rejects(loadTemplates({ folder }), /field id: expected an id of its own/);
  await assert.rejects(loadTemplates({ folder: join(folder, 'none') }), { code: 'fileNotFound' });
});

test('the hash follows content, not layout or order of keys', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'mine.json');
  const hashOf = async (value: object, spaces: number) => {
    await writeFile(path, JSON.stringify(value, null, spaces));
    return (await readTemplate(path)).hash;
  };
  const hash = await hashOf(minimal, 0);
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(await hashOf(Object.fromEntries(Object.entries(minimal).reverse()), 2), hash);
  assert.notEqual(await hashOf({ ...minimal, version: 2 }, 0), hash);
  // sha256 of the two bytes {}, by sha256sum.
  const empty = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';
  assert.equal(canonicalHash({}), empty);
  assert.equal(
    canonicalJson(withoutUndefined({ b: [1, { d: null, c: 'ü' }], a: undefined })),
    '{"b":[1,{"c":"ü","d":null}]}',
  );
  assert.throws(() => canonicalJson({ a: Number.NaN }), TypeError);
});

test('refusal phrases of the user replace those of a language', async (context) => {
  const folder = await temporaryFolder(context);
  await mkdir(join(folder, 'refusals'));
  const own = { language: 'en', openings: [], mentions: [], certain: ['COMPUTER says no'] };
  await writeFile(join(folder, 'refusals', 'en.json'), JSON.stringify(own));
  const languages = await loadRefusals({ folder });
  assert.equal(languages.length, (await loadRefusals()).length);
  const english = languages.find(({ language }) => language === 'en');
  assert.deepEqual(english?.certain, ['computer says no']);
});
