import { lstat } from 'node:fs/promises';
import { SimgptError } from '../errors.js';
import { isMissing, readBoundedFile } from '../files/json.js';

const maxKeyBytes = 4096;

/**
 * The key of an LLM server: from a file that only its owner may read, else from `OPENAI_API_KEY`,
 * else undefined. No error holds any part of it. Throws `SimgptError` `fileNotFound`, `fileInvalid`.
 */
export async function readApiKey(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  if (file === undefined) {
    const key = environment['OPENAI_API_KEY']?.trim();
    return key === undefined || key === '' ? undefined : checked(key, 'OPENAI_API_KEY');
  }
  await requirePrivate(file);
  return checked((await readBoundedFile(file, maxKeyBytes)).toString('utf8').trim(), file);
}

async function requirePrivate(file: string): Promise<void> {
  const status = await lstat(file).catch((error: unknown) => {
    const code = isMissing(error) ? 'fileNotFound' : 'ioFailed';
    throw new SimgptError(code, `${file}: expected a file that holds the API key`);
  });
  if (!status.isFile()) throw new SimgptError('fileInvalid', `${file}: expected a regular file`);
  const mode = status.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const received = mode.toString(8).padStart(4, '0');
    throw new SimgptError('fileInvalid', `${file}: expected mode 0600, received ${received}`);
  }
}

function checked(key: string, place: string): string {
  if (!/^[\x21-\x7e]{1,4096}$/.test(key)) {
    const expected = 'expected an API key: one line of printable ASCII without spaces';
    throw new SimgptError('fileInvalid', `${place}: ${expected}`);
  }
  return key;
}

/** A function that blanks the key in a text, also in its base64 and URL forms. */
export function keyRedactor(key: string | undefined): (text: string) => string {
  if (key === undefined) return (text) => text;
  const forms = [key, encodeURIComponent(key), ...base64Forms(key)];
  return (text) => forms.reduce((rest, form) => rest.replaceAll(form, '[key]'), text);
}

/** What of the key's base64 stays the same whatever stands before and after it, at each offset. */
function base64Forms(key: string): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(key)]);
    const [begin, end] = [Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6)];
    const forms = (['base64', 'base64url'] as const).map((form) => bytes.toString(form));
    return end - begin < 4 ? [] : forms.map((form) => form.slice(begin, end));
  });
}
