import { open } from 'node:fs/promises';
import { constants } from 'node:os';

import { SimgptError } from '../errors.js';

/** Limits of every JSON file we read that has no larger limit of its own. */
export const jsonLimits = { bytes: 16 * 1024 * 1024, depth: 64 } as const;

/** A JSON object read from a file; `path` names the file in every message about a field. */
export interface JsonFile {
  readonly path: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface ReadOptions {
  readonly maxBytes?: number;
}

/** Whether the error says that the file or a folder above it is not there. */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** The `code` of a Node.js system error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) {
    return undefined;
  }
  // Node calls some by number alone: a quota that is used up is "Unknown system error -122".
  const number = /^Unknown system error -(\d+)$/.exec(error.code)?.[1];
  const named = Object.entries(constants.errno).find(([, value]) => value === Number(number));
  return named?.[0] ?? error.code;
}

/** Whether the operating system refused something, as ENOSPC and EACCES do. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && errorCode(error) !== undefined;
}

/**
 * Reads a regular file of at most `maxBytes`. Throws `SimgptError`: `fileNotFound`, `fileInvalid`
 * (not a file, too large) or `ioFailed`.
 */
export async function readBoundedFile(path: string, maxBytes: number): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const status = await file.stat();
    if (!status.isFile()) throw new SimgptError('fileInvalid', `${path}: expected a regular file`);
    if (status.size > maxBytes) {
      throw new SimgptError(
        'fileInvalid',
        `${path}: expected at most ${maxBytes} bytes, received ${status.size}`,
      );
    }
    const buffer = Buffer.alloc(status.size);
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } catch (error) {
    if (error instanceof SimgptError) throw error;
    const code = isMissing(error) ? 'fileNotFound' : 'ioFailed';
    throw new SimgptError(code, `${path}: cannot read: ${errorCode(error) ?? String(error)}`, {
      cause: error,
    });
  }
}

/** Deepest nesting of brackets outside strings: counted before a recursive parser sees the text. */
function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i += 1) {
    const character = text.charCodeAt(i);
    if (character === 0x22) {
      for (i += 1; i < text.length && text.charCodeAt(i) !== 0x22; i += 1) {
        if (text.charCodeAt(i) === 0x5c) i += 1;
      }
    } else if (character === 0x7b || character === 0x5b) {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (character === 0x7d || character === 0x5d) {
      depth -= 1;
    }
  }
  return deepest;
}

/** Parses strict UTF-8 JSON nested at most 64 deep; `path` is named in the error (`fileInvalid`). */
export function parseJson(bytes: Uint8Array, path: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SimgptError('fileInvalid', `${path}: expected UTF-8 text`, { cause: error });
  }
  const depth = nestingDepth(text);
  if (depth > jsonLimits.depth) {
    throw new SimgptError(
      'fileInvalid',
      `${path}: expected JSON nested at most ${jsonLimits.depth} deep, received ${depth}`,
    );
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SimgptError('fileInvalid', `${path}: expected JSON: ${reason}`, { cause: error });
  }
}

/** Reads any JSON value within {@link jsonLimits}. */
export async function readJson(path: string, options: ReadOptions = {}): Promise<unknown> {
  return parseJson(await readBoundedFile(path, options.maxBytes ?? jsonLimits.bytes), path);
}

/** Whether a JSON value is an object: not null, not an array. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a JSON object within {@link jsonLimits}. */
export async function readJsonFile(path: string): Promise<JsonFile> {
  const fields = await readJson(path);
  if (!isJsonObject(fields)) {
    throw new SimgptError('fileInvalid', `${path}: expected a JSON object`);
  }
  return { path, fields };
}

/** {@link readJsonFile}, or undefined where there is no such file. */
export async function readJsonFileIfPresent(path: string): Promise<JsonFile | undefined> {
  try {
    return await readJsonFile(path);
  } catch (error) {
    if (error instanceof SimgptError && error.code === 'fileNotFound') return undefined;
    throw error;
  }
}
