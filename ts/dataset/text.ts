/** A text over this many bytes of UTF-8 is refused as a row. */
export const maxTextBytes = 4 * 2 ** 20;

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
