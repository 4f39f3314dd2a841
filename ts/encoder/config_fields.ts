import { SimgptError } from '../errors.js';
import type { ErrorCode } from '../errors.js';
import { isJsonObject } from '../files/json.js';
import type { JsonFile } from '../files/json.js';

interface Range {
  readonly min: number;
  readonly max: number;
}

/** A value as it stands in the file, cut to one readable line. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Throws the one sentence for a bad field: file, field, accepted values, received. */
export function failField(
  file: JsonFile,
  field: string,
  expected: string,
  code: ErrorCode = 'modelInvalid',
): never {
  throw new SimgptError(
    code,
    `${file.path}: field ${field}: expected ${expected}, received ` +
      describeValue(fieldOf(file, field)),
  );
}

/** The field's own value, never one inherited from a prototype; null counts as absent. */
export function fieldOf(file: JsonFile, field: string): unknown {
  if (!Object.hasOwn(file.fields, field)) return undefined;
  return file.fields[field] ?? undefined;
}

/** A whole number within the range; without a fallback the field must be there. */
export function integerField(
  file: JsonFile,
  field: string,
  { min, max }: Range,
  fallback?: number,
): number {
  const value = fieldOf(file, field) ?? fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    failField(file, field, `a whole number from ${min} to ${max}`);
  }
  return value;
}

/** A number within the range, both ends included. */
export function numberField(
  file: JsonFile,
  field: string,
  { min, max }: Range,
  fallback?: number,
): number {
  const value = fieldOf(file, field) ?? fallback;
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    failField(file, field, `a number from ${min} to ${max}`);
  }
  return value;
}

export function booleanField(file: JsonFile, field: string, fallback: boolean): boolean {
  const value = fieldOf(file, field) ?? fallback;
  if (typeof value !== 'boolean') failField(file, field, 'true or false');
  return value;
}

export function stringField(file: JsonFile, field: string, fallback?: string): string {
  const value = fieldOf(file, field) ?? fallback;
  if (typeof value !== 'string') failField(file, field, 'a string');
  return value;
}

/** One of the table's keys, translated to its value; any other value is refused by name. */
export function choiceField<T>(
  file: JsonFile,
  field: string,
  choices: ReadonlyMap<string, T>,
  fallback?: string,
  code: ErrorCode = 'unsupported',
): T {
  const value = fieldOf(file, field) ?? fallback;
  const choice = typeof value === 'string' ? choices.get(value) : undefined;
  if (choice === undefined) failField(file, field, listChoices(choices.keys()), code);
  return choice;
}

/** `'a', 'b' or 'c'` for messages. */
export function listChoices(choices: Iterable<string>): string {
  const quoted = [...choices].map((choice) => `'${choice}'`);
  const last = quoted.pop() ?? 'nothing';
  return quoted.length === 0 ? last : `${quoted.join(', ')} or ${last}`;
}

/** Refuses a field that would change the model in a way we do not compute. */
export function refuseField(file: JsonFile, field: string, allowed: readonly unknown[]): void {
  const value = fieldOf(file, field);
  if (value === undefined || allowed.includes(value)) return;
  failField(file, field, allowed.map(describeValue).join(' or ') || 'nothing', 'unsupported');
}

/** An object whose values are all strings; null values read as ''. */
export function stringMapField(file: JsonFile, field: string): Readonly<Record<string, string>> {
  const value = fieldOf(file, field) ?? {};
  if (!isJsonObject(value)) failField(file, field, 'an object of strings');
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (text === null) return [key, ''];
    if (typeof text !== 'string') failField(file, field, 'an object of strings');
    return [key, text];
  });
  return Object.fromEntries(entries);
}
