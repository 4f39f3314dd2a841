// A slot is {name}; a brace that is meant as one is doubled.
const piece = /\{\{|\}\}|\{([A-Za-z][A-Za-z0-9_]*)\}|[{}]/g;

/** The names of the slots in a text, or what is expected of its braces as a sentence's middle. */
export function slotNamesIn(text: string): ReadonlySet<string> | string {
  const names = new Set<string>();
  for (const [match, name] of text.matchAll(piece)) {
    if (name !== undefined) {
      names.add(name);
    } else if (match.length === 1) {
      return 'braces around a slot name, or doubled';
    }
  }
  return names;
}

/**
 * The text with its slots filled, in one pass: a value is data, so braces in it stay what they are.
 * Throws RangeError for a slot without a value.
 */
export function fillSlots(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(piece, (match: string, name: string | undefined) => {
    if (name === undefined) return match.charAt(0);
    const value = values.get(name);
    if (value === undefined) throw new RangeError(`expected a value for slot ${name}, found none`);
    return value;
  });
}
