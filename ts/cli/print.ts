import { forTerminal } from './terminal.js';

/** Writes a result to stdout, resolving once it is written; safe on a terminal whatever it holds. */
export function printResult(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(forTerminal(text), (error) => (error ? reject(error) : resolve()));
  });
}

// JSON.stringify escapes C0 itself; the rest that a terminal acts on is escaped here, not lost.
const unprintable = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A value as JSON in which every character that a terminal acts on is escaped. */
export function jsonForTerminal(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    unprintable,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Writes a value to stdout as one line of JSON, or indented. */
export function printJson(value: unknown, indent?: number): Promise<void> {
  return printResult(`${jsonForTerminal(value, indent)}\n`);
}
