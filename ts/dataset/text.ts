/** A text over this many bytes of UTF-8 is refused as a row. */
export const maxTextBytes = 4 * 2 ** 20;

/** A line or record over this many bytes is refused as a row. */
export const maxLineBytes = 16 * 2 ** 20;

/** A record that is no row, and why. */
export interface RowProblem {
  readonly line: number;
  readonly field: string | null;
  readonly problem: string;
}

const maxIdBytes = 1024;
// oxlint-disable-next-line no-control-regex -- control characters are what an id may not hold
const control = /[\u0000-\u001f\u007f-\u009f]/;

/** Why a string is refused as an id, a name of a source or the like, or null. */
export function idProblem(id: string, noun = 'an id'): string | null {
  return control.test(id) || Buffer.byteLength(id) > maxIdBytes
    ? `expected ${noun} of at most ${maxIdBytes} bytes without control characters`
    : null;
}

const loneSurrogate = /\p{Surrogate}/gu;

/**
 * A text as every model sees it: each half of a broken surrogate pair, which no UTF-8 can hold,
 * becomes U+FFFD. Nothing else changes.
 */
export function wellFormed(text: string): { readonly text: string; readonly replaced: boolean } {
  if (text.search(loneSurrogate) < 0) {
    return { text, replaced: false };
  }
  return { text: text.replace(loneSurrogate, '\ufffd'), replaced: true };
}

/** Why a text is refused as a row, or null. */
export function textProblem(text: string): string | null {
  // A code unit is at most three bytes, so most texts need no count.
  const bytes = text.length * 3 <= maxTextBytes ? 0 : Buffer.byteLength(text);
  return bytes <= maxTextBytes
    ? null
    : `expected a text of at most ${maxTextBytes} bytes, received ${bytes}`;
}
