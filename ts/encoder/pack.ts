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

// Texts that go through one call: many, because the call costs more than a sentence's bytes.
const blockTexts = 256;

function complete(text: unknown, index: number, options: PackOptions): string {
  if (typeof text !== 'string') {
    throw new TypeError(`expected texts[${index}] to be a string, received ${typeof text}`);
  }
  const whole = options.prefix === undefined ? text : options.prefix + text;
  return options.lowercase === true ? whole.toLowerCase() : whole;
}

function requireSize(bytes: number, index: number): void {
  if (bytes > maxTextBytes) {
    throw new RangeError(
      `expected texts[${index}] of at most ${maxTextBytes} bytes, received ${bytes}`,
    );
  }
}

/**
 * Encodes texts as UTF-8 in one buffer. Lone surrogates become U+FFFD and are flagged. Throws
 * TypeError for anything but strings and RangeError for a text over 4 MB.
 */
export function packTexts(texts: readonly string[], options: PackOptions = {}): PackedTexts {
  const whole = texts.map((text, index) => complete(text, index, options));
  // A UTF-16 unit becomes at most 3 bytes.
  const bytes = Buffer.allocUnsafe(whole.reduce((sum, text) => sum + text.length, 0) * 3);
  const offsets = new Float64Array(whole.length + 1);
  const illFormed = new Uint8Array(whole.length);
  let end = 0;
  for (let first = 0; first < whole.length; first += blockTexts) {
    const block = whole.slice(first, first + blockTexts);
    const joined = block.join('');
    // As many bytes as units: all of it is ASCII, and each text's bytes are its units.
    const isAscii = bytes.write(joined, end, 'utf8') === joined.length;
    for (const [i, given] of block.entries()) {
      const index = first + i;
      let written = given.length;
      if (!isAscii) {
        const { text, replaced } = wellFormed(given);
        written = bytes.write(text, end, 'utf8');
        if (replaced) illFormed[index] = 1;
      }
      requireSize(written, index);
      end += written;
      offsets[index + 1] = end;
    }
  }
  return { bytes: bytes.subarray(0, end), offsets, illFormed };
}
