import { splitJsonObject } from '../dataset/json_record.js';
import { wellFormed } from '../dataset/text.js';
import type { Template } from './template.js';

export type OutputShape = Template['output'];

/** What an answer holds: texts by field, or a list; or why it holds nothing. */
export type ShapedAnswer =
  | { readonly fields: ReadonlyMap<string, string> }
  | { readonly list: readonly string[] }
  | { readonly problem: 'unparsable' | 'missingField' | 'grade'; readonly detail: string };

/** Reads a trimmed answer by its shape. Text is never run, matched as a pattern or used as a path. */
export function readShape(shape: OutputShape, text: string): ShapedAnswer {
  switch (shape.kind) {
    case 'numberedLines':
      return numberedLines(shape.fields, text);
    case 'numberedList':
      return numberedList(shape.max, text);
    case 'sentence':
      return sentence(shape.field, text);
    case 'quotedSentence':
      return quotedSentence(shape.field, text);
    case 'number':
      return number(shape, text);
    case 'choice':
      return choice(shape, text);
    case 'stringList':
      return stringList(shape.max, text);
    default:
      return jsonObject(shape, text);
  }
}

function unparsable(detail: string): ShapedAnswer {
  return { problem: 'unparsable', detail };
}

/** The first line of each number, or the sentence that says which line does not belong. */
function numbered(text: string): ReadonlyMap<number, string> | string {
  const lines = new Map<number, string>();
  let afterNumbered = false;
  for (const [index, line] of text.split(/\r\n|[\n\r\u2028\u2029]/).entries()) {
    const match = /^\s{0,8}(\d{1,4})\s{0,4}[.):]\s*(.*)$/u.exec(line);
    if (match !== null) {
      const at = Number(match[1]);
      if (!lines.has(at)) lines.set(at, match[2]!.trim());
      afterNumbered = true;
    } else if (line.trim() === '') {
      afterNumbered = false;
    } else if (afterNumbered) {
      // A sentence broken over two lines: half of it is not what was bought.
      return `expected one line per number, received a second on line ${index + 1}`;
    }
  }
  return lines;
}

function numberedLines(fields: readonly string[], text: string): ShapedAnswer {
  const lines = numbered(text);
  if (typeof lines === 'string') return unparsable(lines);
  if (lines.size === 0) return unparsable(`expected ${fields.length} numbered lines, found none`);
  const values = new Map<string, string>();
  for (const [index, field] of fields.entries()) {
    const line = lines.get(index + 1);
    if (line === undefined) {
      return { problem: 'missingField', detail: `expected a line ${index + 1} (${field})` };
    }
    values.set(field, line);
  }
  return { fields: values };
}

function numberedList(max: number, text: string): ShapedAnswer {
  const lines = numbered(text);
  if (typeof lines === 'string') return unparsable(lines);
  if (lines.size === 0) return unparsable('expected numbered lines, found none');
  return listOf([...lines.values()], max);
}

function listOf(items: readonly string[], max: number): ShapedAnswer {
  return items.length <= max
    ? { list: items }
    : unparsable(`expected at most ${max} items, received ${items.length}`);
}

function sentence(field: string, text: string): ShapedAnswer {
  if (/[\n\r\u2028\u2029]/.test(text)) return unparsable('expected one line, received several');
  return { fields: new Map([[field, unquoted(text) ?? text]]) };
}

function quotedSentence(field: string, text: string): ShapedAnswer {
  if (/[\n\r\u2028\u2029]/.test(text)) return unparsable('expected one line, received several');
  const inner = unquoted(text);
  return inner === undefined
    ? unparsable('expected one sentence in double quotes')
    : { fields: new Map([[field, inner]]) };
}

/** What one pair of double quotes encloses, where there is one pair and nothing around it. */
function unquoted(text: string): string | undefined {
  return /^(?:"([^"]*)"|\u201c([^\u201c\u201d]*)\u201d)$/u
    .exec(text)
    ?.slice(1)
    .find((inner) => inner !== undefined)
    ?.trim();
}

function number(shape: Extract<OutputShape, { kind: 'number' }>, text: string): ShapedAnswer {
  if (!/^\d{1,3}(?:\.\d)?$/.test(text)) {
    return unparsable(`expected one number from ${shape.min} to ${shape.max}`);
  }
  const value = Number(text);
  return value >= shape.min && value <= shape.max
    ? { fields: new Map([[shape.field, text]]) }
    : { problem: 'grade', detail: `expected ${shape.min} to ${shape.max}, received ${text}` };
}

function choice(shape: Extract<OutputShape, { kind: 'choice' }>, text: string): ShapedAnswer {
  const found = choiceOf(shape.choices, text.replace(/\.$/, ''));
  return found === undefined
    ? unparsable(`expected ${shape.choices.join(' or ')}`)
    : { fields: new Map([[shape.field, found]]) };
}

function choiceOf(choices: readonly string[], word: string): string | undefined {
  return choices.find((name) => name.toLowerCase() === word.toLowerCase());
}

/** The answer without the one fence that chat models put around JSON. */
function unfenced(text: string): string {
  return /^```(?:json)?[ \t]*\r?\n([\s\S]*)\r?\n```$/.exec(text)?.[1] ?? text;
}

/** JSON may spell half of a surrogate pair in characters that are all well-formed. */
function decodedText(text: string): string {
  return wellFormed(text).text.trim();
}

function stringList(max: number, text: string): ShapedAnswer {
  let value: unknown;
  try {
    value = JSON.parse(unfenced(text));
  } catch {
    return unparsable('expected a JSON list of strings');
  }
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    return unparsable('expected a JSON list of strings');
  }
  return listOf(value.map(decodedText), max);
}

function jsonObject(
  { fields, choices = {} }: Extract<OutputShape, { kind: 'jsonObject' }>,
  text: string,
): ShapedAnswer {
  const members = splitJsonObject(unfenced(text));
  if (typeof members === 'string') return unparsable(members);
  const values = new Map<string, string>();
  for (const field of fields) {
    const json = members.get(field);
    if (json === undefined || json === 'null') {
      return { problem: 'missingField', detail: `expected a field ${field}` };
    }
    if (!json.startsWith('"')) return unparsable(`expected ${field} to be a string`);
    const value = decodedText(JSON.parse(json) as string);
    const allowed = Object.hasOwn(choices, field) ? choices[field] : undefined;
    const chosen = allowed === undefined ? value : choiceOf(allowed, value);
    if (chosen === undefined) {
      return unparsable(`expected ${field} to be ${allowed!.join(' or ')}`);
    }
    values.set(field, chosen);
  }
  const more = [...members.keys()].find((key) => !fields.includes(key));
  return more === undefined
    ? { fields: values }
    : unparsable(`expected no field ${JSON.stringify(more.slice(0, 80))}`);
}
