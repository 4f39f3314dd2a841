import type { InputSource } from './input.js';
import { readLines } from './lines.js';
import { maxLineBytes } from './text.js';
import type { RowProblem } from './text.js';

// One line of JSON, deep enough for any record and shallow enough for any later reader.
const maxDepth = 64;

/** The members of a JSON object, each value still as it was written. */
export type JsonMembers = ReadonlyMap<string, string>;

/** One line of JSON and its members. */
export interface JsonRecord {
  readonly line: number;
  readonly json: string;
  readonly members: JsonMembers;
  readonly problem?: undefined;
}

/** The JSON objects of a file, one a line; blank lines are none. */
export async function* readJsonRecords(
  source: InputSource,
): AsyncGenerator<JsonRecord | RowProblem> {
  const lines = readLines(source.chunks, { maxBytes: maxLineBytes });
  for await (const { number: line, text: json, problem } of lines) {
    if (problem !== undefined) {
      yield { line, field: null, problem };
    } else if (json.trim() !== '') {
      const members = splitJsonObject(json);
      yield typeof members === 'string'
        ? { line, field: null, problem: members }
        : { line, json, members };
    }
  }
}

/**
 * An id member as a string, null where there is none, undefined where it is neither string nor number
 * (or is missing although `required`). A number keeps its digits as written: past 2^53 two ids must
 * not become one.
 */
export function idOfJson(json: string | undefined, required: boolean): string | null | undefined {
  if (json === undefined || json === 'null') {
    return required ? undefined : null;
  }
  if (json.startsWith('"')) {
    return JSON.parse(json) as string;
  }
  return /^[\d-]/.test(json) ? json : undefined;
}

/** What a value is, by how it is written: for messages. */
export function kindOfJson(json: string | undefined): string {
  if (json === undefined) {
    return 'nothing';
  }
  const kinds = {
    '"': 'a string',
    '{': 'an object',
    '[': 'a list',
    n: 'null',
    t: 'true',
    f: 'false',
  };
  return kinds[json[0] as keyof typeof kinds] ?? 'a number';
}

/**
 * Splits one JSON object into its members, keeping each value's own characters: a number past 2^53
 * loses no digit, and a key such as `__proto__` is a key like any other. Returns the reason as a
 * string where the line is not one object, is nested too deep or names a key twice.
 */
export function splitJsonObject(line: string): JsonMembers | string {
  if (!/^\s*\{/.test(line)) {
    return 'expected a JSON object, received something else';
  }
  if (hasMoreBrackets(line, maxDepth) && depthOf(line) > maxDepth) {
    return `expected JSON at most ${maxDepth} levels deep, received more`;
  }
  try {
    JSON.parse(line);
  } catch {
    return 'expected a JSON object, received text that does not parse';
  }
  return membersOf(line);
}

// Most lines have a handful of brackets, found at the speed of memory.
function hasMoreBrackets(json: string, count: number): boolean {
  let found = 0;
  for (const bracket of '{[') {
    let at = json.indexOf(bracket);
    for (; at >= 0 && found <= count; at = json.indexOf(bracket, at + 1)) {
      found++;
    }
  }
  return found > count;
}

function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === '"') {
      i = endOfString(json, i) - 1;
    } else if (char === '{' || char === '[') {
      depth++;
      deepest = Math.max(deepest, depth);
    } else if (char === '}' || char === ']') {
      depth--;
    }
  }
  return deepest;
}

/** `json` has been parsed, so from here every quote, comma and bracket is where it must be. */
function membersOf(json: string): JsonMembers | string {
  const members = new Map<string, string>();
  let at = skipSpace(json, skipSpace(json, 0) + 1);
  while (json[at] !== '}') {
    const keyEnd = endOfString(json, at);
    const key = JSON.parse(json.slice(at, keyEnd)) as string;
    if (members.has(key)) {
      return `expected each key once, received ${JSON.stringify(key.slice(0, 80))} twice`;
    }
    const valueStart = skipSpace(json, skipSpace(json, keyEnd) + 1);
    const valueEnd = endOfValue(json, valueStart);
    members.set(key, json.slice(valueStart, valueEnd));
    at = skipSpace(json, valueEnd);
    if (json[at] === ',') {
      at = skipSpace(json, at + 1);
    }
  }
  return members;
}

function skipSpace(json: string, from: number): number {
  let at = from;
  while (' \t\r\n'.includes(json[at] ?? '?')) {
    at++;
  }
  return at;
}

/** The position after the string that starts at `start`. */
function endOfString(json: string, start: number): number {
  const quote = json.indexOf('"', start + 1);
  if (quote >= 0 && !json.slice(start, quote).includes('\\')) {
    return quote + 1;
  }
  let at = start + 1;
  while (at < json.length && json[at] !== '"') {
    at += json[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

function endOfValue(json: string, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length;) {
    const char = json[at]!;
    if (char === '"') {
      at = endOfString(json, at);
      if (depth === 0) {
        return at;
      }
      continue;
    }
    if (depth === 0 && ',} \t\r\n'.includes(char)) {
      return at;
    }
    if (char === '{' || char === '[') {
      depth++;
    } else if (char === '}' || char === ']') {
      depth--;
      if (depth === 0) {
        return at + 1;
      }
    }
    at++;
  }
  return json.length;
}
