import { hash } from 'node:crypto';

import { jsonLimits } from './json.js';

/** A value that JSON holds without loss. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * The one JSON text of a value: keys sorted by UTF-16 code unit, no spaces, no line ends. Throws
 * TypeError for what JSON would drop or change (undefined, NaN, Infinity, -0, functions, classes)
 * and RangeError beyond 64 levels.
 */
export function canonicalJson(value: JsonValue): string {
  return textOf(value, 0);
}

/** The value with every undefined member left out: what an absent optional field means. */
export function withoutUndefined(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}

/** sha256 of the canonical form, in hexadecimal. */
export function canonicalHash(value: JsonValue): string {
  return hash('sha256', canonicalJson(value));
}

function textOf(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return String(value);
      throw new TypeError(`expected a number that JSON can hold, received ${describe(value)}`);
    default:
      return value === null ? 'null' : nestedText(value, depth);
  }
}

function nestedText(value: unknown, depth: number): string {
  if (depth >= jsonLimits.depth) {
    throw new RangeError(`expected JSON nested at most ${jsonLimits.depth} deep, received more`);
  }
  let text = '';
  if (Array.isArray(value)) {
    // By index, which visits holes too.
    for (let at = 0; at < value.length; at += 1) {
      text += `${at === 0 ? '' : ','}${textOf(value[at], depth + 1)}`;
    }
    return `[${text}]`;
  }
  if (!isPlainObject(value)) {
    throw new TypeError(`expected a value that JSON can hold, received ${describe(value)}`);
  }
  for (const key of Object.keys(value).sort()) {
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${textOf(value[key], depth + 1)}`;
  }
  return `{${text}}`;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'number' ? String(value) : `a value of type ${typeof value}`;
}
