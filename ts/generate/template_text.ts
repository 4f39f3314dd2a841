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

/** A wording cut at its slots: each stands between two literals. */
interface Cut {
  readonly literals: readonly string[];
  readonly slots: readonly string[];
}

/** Of every wording that was filled: no more than the templates in use have. */
const cuts = new Map<string, Cut>();

function cutOf(wording: string): Cut {
  const literals = [''];
  const slots: string[] = [];
  let end = 0;
  for (const { 0: match, 1: slot, index } of wording.matchAll(piece)) {
    literals[slots.length] += wording.slice(end, index);
    end = index + match.length;
    if (slot === undefined) {
      literals[slots.length] += match.charAt(0);
    } else {
      slots.push(slot);
      literals.push('');
    }
  }
  literals[slots.length] += wording.slice(end);
  return { literals, slots };
}

/**
 * A template's wording with its slots filled, in one pass: a value is data, so braces in it stay what
 * they are. Throws RangeError for a slot without a value.
 */
export function fillSlots(wording: string, valueOf: (slot: string) => string | undefined): string {
  let cut = cuts.get(wording);
  if (cut === undefined) cuts.set(wording, (cut = cutOf(wording)));
  let text = cut.literals[0]!;
  for (const [index, slot] of cut.slots.entries()) {
    const value = valueOf(slot);
    if (value === undefined) throw new RangeError(`expected a value for slot ${slot}, found none`);
    text += value + cut.literals[index + 1]!;
  }
  return text;
}
