// Answers that no honest model writes, as a function of seed and number: an answer of the right shape
// with hostile texts in it, then broken in some places.
import { namedDraws } from '#dist/random/named_draws.js';
import type { OutputShape } from '#dist/generate/answer_shapes.js';
import { hostileTexts } from './fake_faults.js';

type Draw = () => number;

export interface HostileAnswer {
  readonly text: string;
  readonly finishReason: string | null;
}

/** Characters that end lines, reorder, hide, combine, or begin something. */
const sharpEdges = [
  ...Array.from(
    '\u0000\u0007\u0008\t\n\u000b\u000c\r\u001b\u007f\u0080\u0085\u009b\u009d\u00a0\u00ad',
  ),
  ...Array.from(
    '\u200b\u200d\u200e\u202e\u2028\u2029\u2066\u2069\ufeff\ufffd\uffff\ud800\udfff\u0301',
  ),
  ...Array.from('"\'`\\/{}[]()<>:;,.#$%&*+=-|~^@!?0123456789eE'),
  '\u{1f600}',
  '\u{10ffff}',
  '\r\n',
  '```',
  '"}',
  '\\u0000',
  '\\ud800',
  '1. ',
  '2) ',
  '-0',
  '1e999',
  'null',
];

const openings = [
  "I'm sorry, but I cannot ",
  'As an AI language model, ',
  'Sure! Here you go:\n\n',
  '<think>\n',
  '```json\n',
  '\ufeff',
  'HTTP/1.1 200 OK\r\n\r\n',
];

const otherFinishes = ['length', 'content_filter', 'other', null];

/** The n-th answer to a template of this shape. */
export function hostileAnswer(shape: OutputShape, seed: number, number: number): HostileAnswer {
  const next = namedDraws(JSON.stringify(['hostile', number]), seed);
  let text = answerLike(shape, next);
  for (let left = whole(next, 4); left > 0; left -= 1) text = broken(text, next);
  if (chance(next, 0.05)) text = pick(openings, next) + text;
  if (chance(next, 0.002)) text = text.padEnd(2 ** 20 - 1 + whole(next, 3), pick(sharpEdges, next));
  return { text, finishReason: chance(next, 0.8) ? 'stop' : pick(otherFinishes, next) };
}

function answerLike(shape: OutputShape, next: Draw): string {
  const text = (): string => hostileText(next);
  switch (shape.kind) {
    case 'numberedLines':
      return shape.fields.map((_, i) => `${i + 1}. ${text()}`).join('\n');
    case 'numberedList':
      return texts(next, 24)
        .map((item, i) => `${i + 1}. ${item}`)
        .join('\n');
    case 'stringList':
      return JSON.stringify(texts(next, 24));
    case 'sentence':
      return text();
    case 'quotedSentence':
      return `"${text()}"`;
    case 'number':
      return pick(['0', '5', '5.0', '4.9', '-1', '1e3', '٣', 'NaN', '9'.repeat(400)], next);
    case 'choice':
      return pick([...shape.choices, 'constructor', '__proto__', text()], next);
    default: {
      const fields = shape.fields.map((field) => [field, text()] as const);
      const more = chance(next, 0.2) ? [[pick(['__proto__', 'x', ''], next), text()] as const] : [];
      const members = [...fields, ...more].map(
        ([k, v]) => `${JSON.stringify(k)}: ${JSON.stringify(v)}`,
      );
      return `{${members.join(', ')}}`;
    }
  }
}

function texts(next: Draw, most: number): string[] {
  return Array.from({ length: whole(next, most) }, () => hostileText(next));
}

function hostileText(next: Draw): string {
  switch (whole(next, 6)) {
    case 0:
      return 'A boat leaves the harbour.';
    case 1:
      return Array.from({ length: whole(next, 40) }, () => pick(sharpEdges, next)).join('');
    case 2:
      return String.fromCharCode(
        ...Array.from({ length: whole(next, 60) }, () => whole(next, 65_536)),
      );
    case 3:
      return pick(sharpEdges, next).repeat(whole(next, 300));
    default:
      return pick(hostileTexts, next);
  }
}

/** Cut, doubled, shuffled or with something put in between. */
function broken(text: string, next: Draw): string {
  const [from, to] = [whole(next, text.length + 1), whole(next, text.length + 1)].toSorted(
    (a, b) => a - b,
  ) as [number, number];
  const [before, middle, after] = [text.slice(0, from), text.slice(from, to), text.slice(to)];
  switch (whole(next, 6)) {
    case 0:
      return before + after;
    case 1:
      return before + middle + middle + after;
    case 2:
      return after + middle + before;
    case 3:
      return before;
    default:
      return before + (chance(next, 0.5) ? hostileText(next) : pick(sharpEdges, next)) + after;
  }
}

function whole(next: Draw, below: number): number {
  return Math.floor(next() * below);
}

function chance(next: Draw, share: number): boolean {
  return next() < share;
}

function pick<T>(items: readonly T[], next: Draw): T {
  return items[whole(next, items.length)]!;
}
