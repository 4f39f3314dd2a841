import { wellFormed } from '../dataset/text.js';
import { namedDraws } from '../random/named_draws.js';
import type { Template } from './template.js';
import { fillSlots } from './template_text.js';

/** What a call is a function of, beside the template. */
export interface CallKey {
  /** An integer from 0 to 2^53 - 1. */
  readonly seed: number;
  readonly exampleId: string;
  /** Which weights of the slots to draw by; uniform where a slot has no such set. */
  readonly slotWeights?: string;
}

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly text: string;
}

/** One call, ready to be sent: its messages and the value of every slot. */
export interface RenderedCall {
  readonly messages: readonly Message[];
  readonly slots: ReadonlyMap<string, string>;
}

/**
 * Fills a template for one example. Equal arguments give equal calls on every machine and in any
 * order. A value is data: braces in it are not read. Throws RangeError where an input slot has no
 * value, a value has no input slot or the seed is no integer in range; TypeError where one is no string.
 */
export function renderCall(
  template: Template,
  inputs: Readonly<Record<string, string>>,
  key: CallKey,
): RenderedCall {
  if (!Number.isSafeInteger(key.seed) || key.seed < 0) {
    throw new RangeError(`expected a seed from 0 to 2^53 - 1, received ${key.seed}`);
  }
  const slots = slotValues(template, inputs, key);
  const draws = (slot: string) => unitDraws(template.id, key, slot);
  const shots = workedExamples(template, slots, draws('examples'));
  const values = new Map(slots);
  const block = template.examples;
  if (block?.as === 'text') {
    values.set('examples', shots.map((shot) => shot[0]!.text).join(block.separator));
  }
  if (template.guidelines !== undefined) {
    values.set('guidelines', guidelineLines(template.guidelines, slots, draws('guidelines')));
  }
  const messages = template.messages.map(({ role, text }, index): Message => {
    const wordings = typeof text === 'string' ? [text] : text;
    const wording = wordings[pick(wordings.length, undefined, draws(`messages ${index}`))]!;
    return { role, text: fillSlots(wording, (slot) => values.get(slot)) };
  });
  if (block?.as === 'turns') messages.splice(-1, 0, ...shots.flat());
  return { messages, slots };
}

function slotValues(
  template: Template,
  inputs: Readonly<Record<string, string>>,
  key: CallKey,
): ReadonlyMap<string, string> {
  const slots = new Map<string, string>();
  for (const [name, slot] of Object.entries(template.slots)) {
    if (slot.from === 'input') {
      if (!Object.hasOwn(inputs, name)) {
        throw new RangeError(`expected a value for slot ${name} of ${template.id}, received none`);
      }
      slots.set(name, inputText(name, inputs[name], slot.lines));
    } else {
      const next = unitDraws(template.id, key, name);
      const present = slot.presence === undefined || next() < slot.presence;
      const taken = slot.differsFrom === undefined ? undefined : slots.get(slot.differsFrom);
      const chosen = present ? drawValues(slot, taken, key, next) : [];
      slots.set(name, chosen.join(slot.separator ?? ', '));
    }
  }
  for (const name of Object.keys(inputs)) {
    if (!Object.hasOwn(template.slots, name) || template.slots[name]!.from !== 'input') {
      throw new RangeError(`expected inputs of ${template.id} only, received ${name.slice(0, 80)}`);
    }
  }
  return slots;
}

function inputText(name: string, value: unknown, lines: 'one' | 'many'): string {
  if (typeof value !== 'string') {
    throw new TypeError(`expected slot ${name} to be a string, received ${typeof value}`);
  }
  const { text } = wellFormed(value);
  return lines === 'one' ? text.replace(/\s+/gu, ' ').trim() : text;
}

type DrawnSlot = Extract<Template['slots'][string], { from: 'values' }>;

function drawValues(
  slot: DrawnSlot,
  taken: string | undefined,
  key: CallKey,
  next: () => number,
): readonly string[] {
  const { values, count = 1, weights = {} } = slot;
  const { slotWeights: set } = key;
  const named = set !== undefined && Object.hasOwn(weights, set) ? weights[set] : undefined;
  const left = values
    .map((value, index) => ({ value, weight: named?.[index] ?? 1 }))
    .filter(({ value }) => value !== taken);
  return Array.from({ length: count }, () => {
    const at = pick(
      left.length,
      left.map(({ weight }) => weight),
      next,
    );
    return left.splice(at, 1)[0]!.value;
  });
}

/** The guidelines that say something, one a line. */
function guidelineLines(
  { order, texts }: NonNullable<Template['guidelines']>,
  slots: ReadonlyMap<string, string>,
  next: () => number,
): string {
  const left = texts
    .map((text) => fillSlots(text, (slot) => slots.get(slot)))
    .filter((text) => text.trim() !== '');
  const ordered =
    order === 'fixed'
      ? left
      : Array.from(
          { length: left.length },
          () => left.splice(pick(left.length, undefined, next), 1)[0]!,
        );
  return ordered.map((text) => `- ${text}`).join('\n');
}

/** All rows in the file's order, or as many as the template asks for, drawn without repetition. */
function workedExamples(
  template: Template,
  slots: ReadonlyMap<string, string>,
  next: () => number,
): readonly (readonly Message[])[] {
  const block = template.examples;
  if (block === undefined) return [];
  const left = [...block.rows];
  const rows =
    block.count === left.length
      ? left
      : Array.from(
          { length: block.count },
          () => left.splice(pick(left.length, undefined, next), 1)[0]!,
        );
  const turns: readonly Message[] =
    block.as === 'turns' ? block.turns : [{ role: 'user', text: block.text }];
  return rows.map((row) => {
    const valueOf = (slot: string): string | undefined =>
      Object.hasOwn(row, slot) ? row[slot] : slots.get(slot);
    return turns.map(({ role, text }) => ({ role, text: fillSlots(text, valueOf) }));
  });
}

/** An index by weight, or uniform without weights. */
function pick(count: number, weights: readonly number[] | undefined, next: () => number): number {
  if (count === 1) return 0;
  if (weights === undefined) return Math.floor(next() * count);
  let left = next() * weights.reduce((sum, weight) => sum + weight, 0);
  let last = 0;
  for (const [index, weight] of weights.entries()) {
    if (weight === 0) continue;
    if (left < weight) return index;
    left -= weight;
    last = index;
  }
  // Rounding may leave a crumb over.
  return last;
}

/** Draws that are a function of seed, template, example id and slot alone. */
function unitDraws(templateId: string, { seed, exampleId }: CallKey, slot: string): () => number {
  // Most are asked for nothing: one wording, all examples in their order.
  let next: (() => number) | undefined;
  return () => {
    next ??= namedDraws(JSON.stringify([templateId, exampleId, slot]), seed);
    return next();
  };
}
