import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { readShape } from '#dist/generate/answer_shapes.js';
import type { OutputShape } from '#dist/generate/answer_shapes.js';
import { dropReasons, exampleDrop, parseAnswer } from '#dist/generate/parse.js';
import type { DropReason } from '#dist/generate/parse.js';
import { loadRefusals, refusalLanguage } from '#dist/generate/refusals.js';
import type { RefusalPhrases } from '#dist/generate/refusals.js';
import { loadTemplates } from '#dist/generate/template.js';
import type { Template } from '#dist/generate/template.js';

let shipped: ReadonlyMap<string, Template>;
let refusals: readonly RefusalPhrases[];
before(async () => {
  shipped = await loadTemplates();
  refusals = await loadRefusals();
});

const sentence = 'The dog sleeps.';

function parse(
  id: string,
  text: string,
  finishReason: string | null = 'stop',
  output?: OutputShape,
) {
  const template = {
    ...shipped.get(id)!,
    ...(output && { output, example: undefined }),
  } as Template;
  const answer = { text, finishReason };
  return parseAnswer(template, new Map([['sentence', sentence]]), answer, { refusals });
}

test('two numbered lines become an example', () => {
  const answers = [
    '1. A dog is asleep.\n2. The dog barks.',
    '1) A dog is asleep.\r\n2) The dog barks.\r\n',
    'Here you go:\n\n1: A dog is asleep.\n\n2: The dog barks.\n\nShall I write more?',
    '2. The dog barks.\n1. A dog is asleep.\n1. Something else.',
  ];
  for (const text of answers) {
    const parsed = parse('simgpt-captions', text);
    assert.ok('example' in parsed, JSON.stringify(parsed));
    const example = {
      anchor: sentence,
      positive: 'A dog is asleep.',
      hardNegatives: ['The dog barks.'],
    };
    assert.deepEqual(parsed.example, example);
  }
});

// [answer, reason, finish reason]
const hostile: readonly (readonly [text: string, reason: DropReason, finish?: string])[] = [
  ['', 'empty'],
  [' \n\t\u00a0\u200b', 'empty'],
  ['\u0000\u0007', 'empty'],
  ['1. A.\n2. B.', 'truncated', 'length'],
  ['1. A.\n2. B.', 'refusal', 'content_filter'],
  ["I'm sorry, but I can't assist with that.", 'refusal'],
  ['I\u2019M SORRY, I cannot help with that request.', 'refusal'],
  ['As an AI language model, I have no dogs.', 'refusal'],
  ['1. I cannot comply with this.\n2. B.', 'refusal'],
  ['1. A.\n2. Es tut mir leid, dabei kann ich nicht helfen.', 'refusal'],
  ['很抱歉，我无法协助您。', 'refusal'],
  ['申し訳ありませんが、お手伝いできません。', 'refusal'],
  ['A dog is asleep. The dog barks.', 'unparsable'],
  ['1 A dog is asleep\n2 The dog barks', 'unparsable'],
  ['<html><body>502 Bad Gateway</body></html>', 'unparsable'],
  ['{"1": "A.", "2": "B."}', 'unparsable'],
  ['1. A dog\nis asleep.\n2. B.', 'unparsable'],
  ['1. A.\n2. B\nand more', 'unparsable'],
  ['One. A.\nTwo. B.', 'unparsable'],
  ['٠١. A.\n٠٢. B.', 'unparsable'],
  ['99999999999999999999. A.', 'unparsable'],
  ['1. A.', 'missingField'],
  ['2. B.', 'missingField'],
  ['3. A.\n4. B.', 'missingField'],
  ['1. \n2. B.', 'empty'],
  ['1. A.\n2. \u200b\u200d', 'empty'],
  ['1. The dog sleeps.\n2. B.', 'copiesAnchor'],
  ['1. A.\n2.  THE  dog\u00a0sleeps. ', 'copiesAnchor'],
  ['1. Same.\n2. same.', 'positiveEqualsNegative'],
  [`1. ${'a'.repeat(40_000)}\n2. B.`, 'tooLong'],
  ['a'.repeat(2 ** 20 + 1), 'tooLong'],
  [`${' '.repeat(500_000)}x`, 'unparsable'],
];

test('each hostile answer is dropped for its reason', () => {
  for (const [text, reason, finish] of hostile) {
    const parsed = parse('simgpt-captions', text, finish);
    assert.ok('reason' in parsed, text.slice(0, 80));
    assert.equal(parsed.reason, reason, text.slice(0, 80));
    assert.ok(parsed.detail.length > 10 && dropReasons.includes(parsed.reason));
  }
});

test('text that looks like code or a slot stays text', () => {
  for (const text of [
    '{sentence}',
    '${1+1}',
    "'; DROP TABLE rows; --",
    '../../etc/passwd',
    '__proto__',
  ]) {
    const parsed = parse('simgpt-captions', `1. ${text}\n2. =1+1`);
    assert.ok('example' in parsed);
    assert.equal(parsed.example?.positive, text);
  }
});

test('half of a surrogate pair is replaced, also where JSON spells it out', () => {
  const list: OutputShape = { kind: 'stringList', max: 4 };
  assert.deepEqual(readShape(list, '["a\\ud800", "\\ud83d\\ude00"]'), {
    list: ['a\ufffd', '\u{1f600}'],
  });
  const object: OutputShape = { kind: 'jsonObject', fields: ['text'] };
  const shaped = readShape(object, '{"text": "\\udfff b"}');
  assert.ok('fields' in shaped);
  assert.equal(shaped.fields.get('text'), '\ufffd b');
});

type Shaped = ReturnType<typeof readShape>;

const problem = (shaped: Shaped) => ('problem' in shaped ? shaped.problem : shaped);
const fieldOf = (shaped: Shaped, name: string) =>
  'fields' in shaped ? shaped.fields.get(name) : shaped;

test('a sentence is one line, a quoted one has one pair of quotes', () => {
  const plain: OutputShape = { kind: 'sentence', field: 's' };
  assert.equal(fieldOf(readShape(plain, 'One line.'), 's'), 'One line.');
  assert.equal(fieldOf(readShape(plain, '"One line."'), 's'), 'One line.');
  assert.equal(fieldOf(readShape(plain, '"Go," he said, "now."'), 's'), '"Go," he said, "now."');
  assert.equal(problem(readShape(plain, 'Sure!\nOne line.')), 'unparsable');
  const quoted: OutputShape = { kind: 'quotedSentence', field: 's' };
  assert.equal(fieldOf(readShape(quoted, '" One. "'), 's'), 'One.');
  assert.equal(fieldOf(readShape(quoted, '\u201cOne.\u201d'), 's'), 'One.');
  for (const text of [
    'One.',
    '"One.',
    'One."',
    '"A" and "B"',
    'So: "One."',
    '"A"\n"B"',
    "'One.'",
    '"',
  ]) {
    assert.equal(problem(readShape(quoted, text)), 'unparsable', text);
  }
});

test('a grade is d or d.d within its bounds', () => {
  const grade: OutputShape = { kind: 'number', field: 'g', min: 0, max: 5 };
  for (const text of ['0', '5', '3.5', '5.0', '0.0']) {
    assert.equal(fieldOf(readShape(grade, text), 'g'), text);
  }
  for (const text of ['5.1', '6', '10', '99.9'])
    assert.equal(problem(readShape(grade, text)), 'grade');
  const unreadable = ['', '-1', '+3', '3.', '.5', '3,5', '3.55', '1e0', '0x3', 'NaN', 'Infinity'];
  for (const text of [
    ...unreadable,
    '3/5',
    'three',
    '3 4',
    '٣',
    '3\n4',
    '3.5 points',
    '9'.repeat(400),
  ]) {
    assert.equal(problem(readShape(grade, text)), 'unparsable', text);
  }
});

test('a choice is one of its words', () => {
  const verdict = shipped.get('label-verdict')!.output;
  assert.equal(fieldOf(readShape(verdict, 'Similar.'), 'verdict'), 'similar');
  for (const text of ['not similar', 'similar or dissimilar', 'constructor', 'yes', 'similar!!']) {
    assert.equal(problem(readShape(verdict, text)), 'unparsable', text);
  }
});

test('a list is JSON strings or numbered lines, each usable item once', () => {
  const list: OutputShape = { kind: 'stringList', max: 4 };
  assert.deepEqual(readShape(list, '```json\n["a", "b"]\n```'), { list: ['a', 'b'] });
  const bad = ['a, b', '["a", 1]', '{"0": "a"}', '[["a"]]', '["a",]', "['a']", 'null', '["a"] ok'];
  for (const text of [...bad, '["1","2","3","4","5"]', '['.repeat(100_000), '[__import__("os")]']) {
    assert.equal(problem(readShape(list, text)), 'unparsable', text.slice(0, 40));
  }
  const parsed = parse('simgpt-captions', '["a", "", "A ", "b"]', 'stop', list);
  assert.ok('list' in parsed);
  assert.deepEqual(parsed.list, ['a', 'b']);
  assert.deepEqual(parsed.listDrops.map(({ reason }) => reason).sort(), ['duplicate', 'empty']);
  const none = parse('simgpt-captions', '[]', 'stop', list);
  assert.ok('reason' in none && none.reason === 'empty');
  const anchors = parse('syncse-anchor', '1. One.\n2. Two.\n3. one.');
  assert.ok('list' in anchors);
  assert.deepEqual(anchors.list, ['One.', 'Two.']);
});

test('an object has exactly its fields, each a string, and touches no prototype', () => {
  const object: OutputShape = { kind: 'jsonObject', fields: ['label', 'text'] };
  const good = '{"text": " a\\n{b} ", "label": "c"}';
  assert.equal(fieldOf(readShape(object, good), 'text'), 'a\n{b}');
  assert.equal(fieldOf(readShape(object, `\`\`\`\n${good}\n\`\`\``), 'label'), 'c');
  for (const [text, reason] of [
    ['{"text": "a"}', 'missingField'],
    ['{"text": "a", "label": null}', 'missingField'],
    ['{"__proto__": {"text": "a", "label": "b"}}', 'missingField'],
    ['{"text": "a", "label": 1}', 'unparsable'],
    ['{"text": "a", "label": ["b"]}', 'unparsable'],
    ['{"text": "a", "label": "b", "more": "c"}', 'unparsable'],
    ['{"text": "a", "label": "b", "__proto__": {"polluted": 1}}', 'unparsable'],
    ['{"text": "a", "label": "b", "constructor": "x"}', 'unparsable'],
    ['{"text": "a", "text": "b", "label": "c"}', 'unparsable'],
    ['{"text": "a", "label": "b"', 'unparsable'],
    ["{'text': 'a', 'label': 'b'}", 'unparsable'],
    ['[{"text": "a", "label": "b"}]', 'unparsable'],
    ['{"text": "a", "label": "b"} and more', 'unparsable'],
    [`{"text": ${'['.repeat(50_000)}`, 'unparsable'],
    ['"text"', 'unparsable'],
    ['process.exit(1)', 'unparsable'],
  ] as const) {
    assert.equal(problem(readShape(object, text)), reason, text.slice(0, 60));
  }
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test('an example put together from two answers is checked as one', () => {
  const drop = (positive: string, ...hardNegatives: string[]) =>
    exampleDrop({ anchor: 'A.', positive, hardNegatives })?.reason;
  assert.equal(drop('B.', 'C.'), undefined);
  assert.equal(drop('a. ', 'C.'), 'copiesAnchor');
  assert.equal(drop('B.', 'b.'), 'positiveEqualsNegative');
  assert.equal(drop('B.', 'C.', 'c.'), 'duplicate');
});

test('a sentence that merely regrets is no refusal', () => {
  const sentences = [
    "I'm sorry, but the shop is closed on Sundays.",
    'Unfortunately, it rained during the whole match.',
    'I cannot remember where I parked the car.',
    'Leider regnet es seit gestern.',
    'No puedo dormir cuando hace calor.',
    'The assistant said that he could not help with that.',
  ];
  for (const text of sentences) assert.equal(refusalLanguage(text, refusals), null, text);
  assert.equal(refusalLanguage('Lo siento, no puedo ayudarte con eso.', refusals), 'es');
  assert.equal(refusalLanguage('Désolé, je ne peux pas vous aider.', refusals), 'fr');
});
