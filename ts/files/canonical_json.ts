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
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    throw new TypeError(`expected a number that JSON can hold, received ${describe(value)}`);
  }
  if (value === null || ['boolean', 'number', 'string'].includes(typeof value)) {
    return JSON.stringify(value);
  }
  if (depth >= jsonLimits.depth) {
    throw new RangeError(`expected JSON nested at most ${jsonLimits.depth} deep, received more`);
  }
  if (Array.isArray(value)) {
    // Array.from visits holes too, which map would pass over.
    return `[${Array.from(value, (item: unknown) => textOf(item, depth + 1)).join(',')}]`;
  }
  if (!isPlainObject(value)) {
    throw new TypeError(`expected a value that JSON can hold, received ${describe(value)}`);
  }
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${textOf(value[key], depth + 1)}`);
  return `{${members.join(',')}}`;
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
