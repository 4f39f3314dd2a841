// One line of JSON, deep enough for any record and shallow enough for any later reader.
const maxDepth = 64;

/** The members of a JSON object, each value still as it was written. */
export type JsonMembers = ReadonlyMap<string, string>;

/**
 * Splits one JSON object into its members, keeping each value's own characters: a number past 2^53
 * loses no digit, and a key such as `__proto__` is a key like any other. Returns the reason as a
 * string where the line is not one object, is nested too deep or names a key twice.
 */
export function splitJsonObject(line: string): JsonMembers | string {
  if (!/^\s*\{/.test(line)) {
    return 'expected a JSON object, received something else';
  }
  if (depthOf(line) > maxDepth) {
    return `expected JSON at most ${maxDepth} levels deep, received more`;
  }
  try {
    JSON.parse(line);
  } catch {
    return 'expected a JSON object, received text that does not parse';
  }
  return membersOf(line);
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
