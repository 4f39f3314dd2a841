import type { Template } from '../template.js';

/** A template whose last message a request ends with, and what its slots hold there. */
export interface Recognised {
  readonly template: Template;
  readonly slots: ReadonlyMap<string, string>;
}

interface Pattern {
  readonly template: Template;
  readonly expression: RegExp;
}

/** Finds the template that a prompt was rendered from, by its last message. */
export function createRecogniser(
  templates: Iterable<Template>,
): (lastMessage: string) => Recognised | undefined {
  const patterns = Array.from(templates).flatMap(patternsOf);
  return (lastMessage) => {
    for (const { template, expression } of patterns) {
      const match = expression.exec(lastMessage);
      if (match !== null) return { template, slots: new Map(Object.entries({ ...match.groups })) };
    }
    return undefined;
  };
}

/** One pattern per wording of the last message. */
function patternsOf(template: Template): readonly Pattern[] {
  const { text } = template.messages.at(-1)!;
  const wordings = typeof text === 'string' ? [text] : text;
  return wordings.map((wording) => ({ template, expression: expressionOf(wording, template) }));
}

function expressionOf(wording: string, template: Template): RegExp {
  const seen = new Set<string>();
  const source = wording
    .split(/(\{\{|\}\}|\{[A-Za-z][A-Za-z0-9_]*\})/)
    .map((piece) => {
      if (piece === '{{' || piece === '}}') return literal(piece[0]!);
      if (!/^\{.+\}$/.test(piece)) return literal(piece);
      const name = piece.slice(1, -1);
      if (seen.has(name)) return `\\k<${name}>`;
      seen.add(name);
      return `(?<${name}>${valuesOf(name, template)})`;
    })
    .join('');
  return new RegExp(`^${source}$`, 'u');
}

/** What a slot may hold, as a pattern made of the template's own values. */
function valuesOf(name: string, { slots }: Template): string {
  const slot = Object.hasOwn(slots, name) ? slots[name] : undefined;
  // The worked examples: as much as there is, so that the input after them is the last one.
  if (slot === undefined) return '[\\s\\S]*';
  if (slot.from === 'input') return slot.lines === 'one' ? '[^\\n]*' : '[\\s\\S]*';
  if ((slot.count ?? 1) > 1) return '[^\\n]*?';
  const values = [...slot.values].sort((a, b) => b.length - a.length).map(literal);
  return slot.presence === undefined ? values.join('|') : `${values.join('|')}|`;
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (char) => (char === '-' ? '\\x2d' : `\\${char}`));
}
