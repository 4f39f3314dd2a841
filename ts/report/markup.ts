// What a page shows must not act on it: neither as markup nor, in a terminal, as an escape sequence.
const special: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);

// C0 controls except tab and newline, DEL, C1, line separators and the marks that reorder text.
const controls =
  // oxlint-disable-next-line no-control-regex -- control bytes are what this shows
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const loneSurrogates = /\p{Surrogate}/gu;

/**
 * Untrusted text with every control character made visible: C0 as its control picture (ESC is ␛),
 * the others by their number, lone surrogates as U+FFFD. A line break of two characters is one.
 */
export function visibleText(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(controls, (char) => {
      const code = char.codePointAt(0)!;
      if (code < 0x20) return String.fromCodePoint(0x2400 + code);
      return code === 0x7f ? '\u2421' : `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
    })
    .replace(loneSurrogates, '\ufffd');
}

/** Untrusted text for the content of an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return visibleText(text).replace(/[&<>"']/g, (char) => special.get(char)!);
}

// A symbol, so that nothing read from JSON can pass for markup.
const brand: unique symbol = Symbol('html');

/** Text that is already HTML: made by `markup` or `trustedHtml` alone. */
export interface Html {
  readonly [brand]: string;
}

type HtmlPart = Html | string | number | undefined | readonly Html[];

/**
 * A template whose inserted strings are escaped; `undefined` inserts nothing. (Not called `html`:
 * formatters would add spaces inside elements, which the style sheet's hash does not forgive.)
 */
export function markup(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  let text = strings[0]!;
  for (const [i, part] of parts.entries()) text += textOf(part) + strings[i + 1]!;
  return trustedHtml(text);
}

/** Markup that this package wrote itself: its style sheet, a chart. Never anything that was read. */
export function trustedHtml(text: string): Html {
  return { [brand]: text };
}

export function textOf(part: HtmlPart): string {
  if (part === undefined) return '';
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return Array.isArray(part) ? part.map(textOf).join('') : (part as Html)[brand];
}

/** A JSON text that can stand in a `script` element: no `<`, and nothing that a terminal acts on. */
export function jsonForHtml(json: string): string {
  return json.replace(
    // oxlint-disable-next-line no-control-regex -- control bytes are what this escapes
    /[<>&\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
