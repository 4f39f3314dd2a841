import type { z } from 'zod';

import { SimgptError } from '../errors.js';
import { isJsonObject, readJson } from './json.js';

/**
 * Reads a JSON file and checks it; the first fault is named with file, field and what is accepted.
 * Throws SimgptError: `fileInvalid`, or what reading the file throws.
 */
export async function readChecked<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const value = await readJson(path);
  const polluted = pollutingKey(value);
  if (polluted !== undefined) {
    throw new SimgptError(
      'fileInvalid',
      `${path}: field ${polluted}: expected no key "__proto__", received one`,
    );
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new SimgptError('fileInvalid', `${path}: ${issueSentence(result.error, value)}`);
}

/** `field a[0].b: expected …, received …` for the first issue of a failed check. */
export function issueSentence(error: z.ZodError, value: unknown): string {
  const issue = error.issues[0]!;
  const field = fieldName(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return `field ${field}: expected no other fields, received ${issue.keys.map(shown).join(', ')}`;
  }
  const received = shown(valueAt(value, issue.path));
  return `field ${field}: expected ${expectation(issue)}, received ${received}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `a value of type ${issue.expected}`;
    case 'invalid_value':
      return issue.values.map((value) => shown(value)).join(' or ');
    case 'too_small':
      return `at least ${issue.minimum} (${issue.origin})`;
    case 'too_big':
      return `at most ${issue.maximum} (${issue.origin})`;
    case 'invalid_format':
      return `text that matches ${issue.pattern ?? issue.format}`;
    default:
      return issue.message.replace(/^Invalid discriminator value\. Expected /, '');
  }
}

function fieldName(path: readonly PropertyKey[]): string {
  const name = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('');
  return name === '' ? '(whole file)' : name.replace(/^\./, '');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return at;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function pollutingKey(value: unknown, path: readonly PropertyKey[] = []): string | undefined {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const found = pollutingKey(item, [...path, index]);
      if (found !== undefined) return found;
    }
  } else if (isJsonObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      if (key === '__proto__') return fieldName(path);
      const found = pollutingKey(member, [...path, key]);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
