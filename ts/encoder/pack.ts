import { maxTextBytes, wellFormed } from '../dataset/text.js';

/** Texts as they cross to the addon: UTF-8, one after the other. */
export interface PackedTexts {
  readonly bytes: Uint8Array;
  /** [texts + 1] byte offsets, first 0. */
  readonly offsets: Float64Array;
  /** [texts] 1 where lone surrogates were replaced by U+FFFD. */
  readonly illFormed: Uint8Array;
}

export interface PackOptions {
  /** Put before every text. */
  readonly prefix?: string | undefined;
  readonly lowercase?: boolean | undefined;
}

function prepare(text: unknown, index: number, options: PackOptions) {
  if (typeof text !== 'string') {
    throw new TypeError(`expected texts[${index}] to be a string, received ${typeof text}`);
  }
  const whole = (options.prefix ?? '') + text;
  return wellFormed(options.lowercase === true ? whole.toLowerCase() : whole);
}

/**
 * Encodes texts as UTF-8 in one buffer. Lone surrogates become U+FFFD and are flagged. Throws
 * TypeError for anything but strings and RangeError for a text over 4 MB.
 */
export function packTexts(texts: readonly string[], options: PackOptions = {}): PackedTexts {
  const prepared = texts.map((text, index) => prepare(text, index, options));
  // A UTF-16 unit becomes at most 3 bytes.
  const bound = prepared.reduce((sum, text) => sum + text.text.length, 0) * 3;
  const bytes = Buffer.allocUnsafe(bound);
  const offsets = new Float64Array(prepared.length + 1);
  const illFormed = new Uint8Array(prepared.length);
  let end = 0;
  for (const [index, { text, replaced }] of prepared.entries()) {
    const written = bytes.write(text, end, 'utf8');
    if (written > maxTextBytes) {
      throw new RangeError(
        `expected texts[${index}] of at most ${maxTextBytes} bytes, received ${written}`,
      );
    }
    end += written;
    offsets[index + 1] = end;
    if (replaced) illFormed[index] = 1;
  }
  return { bytes: bytes.subarray(0, end), offsets, illFormed };
}
