import { z } from 'zod';

import { slotNamesIn } from './template_text.js';

const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/);
const text = z.string().min(1).max(100_000);
const role = z.enum(['system', 'user', 'assistant']);
const message = z.strictObject({ role, text });

const inputSlot = z.strictObject({
  /** The caller gives the value, once per call. */
  from: z.literal('input'),
  /** `one` turns every run of white space, line breaks included, into a single space. */
  lines: z.enum(['one', 'many']),
});

const drawnSlot = z.strictObject({
  from: z.literal('values'),
  values: z.array(z.string().max(10_000)).min(1).max(10_000),
  /** Sets of weights by name, each as long as `values`; a set that is not asked for is not used. */
  weights: z.record(name, z.array(z.number().min(0)).min(1)).optional(),
  /** How many different values one call gets; 1 unless given. */
  count: z.int().min(1).max(1000).optional(),
  /** Between those. */
  separator: z.string().max(100).optional(),
  /** The probability that the slot is filled at all; an absent one renders as nothing. */
  presence: z.number().min(0).max(1).optional(),
  /** An earlier drawn slot whose value this one must not get. */
  differsFrom: name.optional(),
});

/** Sentences on how to write, one a line where a text has `{guidelines}`; empty ones are left out. */
const guidelines = z.strictObject({
  /** `shuffled`: in an order drawn per call. */
  order: z.enum(['fixed', 'shuffled']),
  texts: z.array(text).min(1).max(50),
});

const exampleRow = z.record(name, z.string().min(1).max(10_000));
const exampleRows = z.array(exampleRow).min(1).max(1000);
const exampleCount = z.int().min(0).max(1000);

const examples = z.discriminatedUnion('as', [
  /** Rows rendered one after the other, where the text has `{examples}`. */
  z.strictObject({
    as: z.literal('text'),
    text,
    separator: z.string().max(100),
    count: exampleCount,
    rows: exampleRows,
  }),
  /** Rows as chat turns, placed before the last message. */
  z.strictObject({
    as: z.literal('turns'),
    turns: z.array(message).min(1).max(4),
    count: exampleCount,
    rows: exampleRows,
  }),
]);

const output = z.discriminatedUnion('kind', [
  /** One line per field, numbered from 1 in this order. */
  z.strictObject({ kind: z.literal('numberedLines'), fields: z.array(name).min(1).max(20) }),
  /** As many numbered lines as there are. */
  z.strictObject({ kind: z.literal('numberedList'), max: z.int().min(1).max(1000) }),
  z.strictObject({ kind: z.literal('sentence'), field: name }),
  z.strictObject({ kind: z.literal('quotedSentence'), field: name }),
  /** `d` or `d.d` from min to max. */
  z.strictObject({ kind: z.literal('number'), field: name, min: z.number(), max: z.number() }),
  /** One of the listed words, whatever its case. */
  z.strictObject({ kind: z.literal('choice'), field: name, choices: z.array(name).min(2).max(20) }),
  z.strictObject({ kind: z.literal('stringList'), max: z.int().min(1).max(1000) }),
  z.strictObject({
    kind: z.literal('jsonObject'),
    fields: z.array(name).min(1).max(20),
    /** The words a field may hold, whatever their case; another answer cannot be used. */
    choices: z.record(name, z.array(name).min(2).max(20)).optional(),
  }),
]);

/** Which input slot or output field becomes which text of an example. */
const exampleTexts = z.strictObject({
  anchor: name,
  positive: name.optional(),
  hardNegatives: z.array(name).min(1).max(20).optional(),
});

const decoding = z.strictObject({
  temperature: z.number().min(0).max(2),
  topP: z.number().min(0).max(1).optional(),
  presencePenalty: z.number().min(-2).max(2).optional(),
  frequencyPenalty: z.number().min(-2).max(2).optional(),
  maxTokens: z.int().min(1).max(100_000),
});

/** A template as its file holds it. */
export const templateSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/),
    version: z.int().min(1),
    purpose: z.string().min(1).max(1000),
    messages: z
      .array(
        z.strictObject({
          role,
          /** Several wordings: one is drawn per call. */
          text: z.union([text, z.array(text).min(1).max(100)], 'a text or a list of texts'),
        }),
      )
      .min(1)
      .max(20),
    guidelines: guidelines.optional(),
    slots: z.record(name, z.discriminatedUnion('from', [inputSlot, drawnSlot])),
    examples: examples.optional(),
    output,
    example: exampleTexts.optional(),
    /** What every example of this template is compared for; models with instructions read it. */
    instruction: text.optional(),
    decoding,
  })
  .superRefine((template, context) => {
    for (const { path, expected } of faultsOf(template)) {
      context.addIssue({ code: 'custom', path: [...path], message: expected });
    }
  });

export type TemplateFields = z.infer<typeof templateSchema>;

interface Fault {
  readonly path: readonly (string | number)[];
  readonly expected: string;
}

/** What no single field shows: slots that nobody fills or uses, weights of another length. */
function* faultsOf(template: TemplateFields): Generator<Fault> {
  const { slots } = template;
  const known = new Set(Object.keys(slots));
  for (const reserved of ['examples', 'guidelines']) {
    if (!known.has(reserved)) continue;
    yield { path: ['slots', reserved], expected: `another name: {${reserved}} are a list` };
  }
  for (const [slot, definition] of Object.entries(slots)) {
    if (definition.from !== 'values') continue;
    const { values, weights = {}, differsFrom } = definition;
    // One value may be taken by the other slot.
    const count = (definition.count ?? 1) + (differsFrom === undefined ? 0 : 1);
    if (count > new Set(values).size) {
      yield { path: ['slots', slot, 'values'], expected: `${count} different values or more` };
    }
    const names = Object.keys(slots);
    const other = names.slice(0, names.indexOf(slot)).find((earlier) => earlier === differsFrom);
    if (differsFrom !== undefined && (other === undefined || slots[other]!.from === 'input')) {
      yield { path: ['slots', slot, 'differsFrom'], expected: 'an earlier slot with values' };
    }
    for (const [set, list] of Object.entries(weights)) {
      const usable = list.filter((weight) => weight > 0).length;
      if (list.length !== values.length || usable < count) {
        const expected = `${values.length} weights, ${count} or more of them above 0`;
        yield { path: ['slots', slot, 'weights', set], expected };
      }
    }
  }
  yield* textFaults(template, known);
  yield* exampleFaults(template, known);
  const fields = 'fields' in template.output ? template.output.fields : [];
  const field = 'field' in template.output ? [template.output.field] : [];
  if (template.output.kind === 'jsonObject') {
    const other = Object.keys(template.output.choices ?? {}).find((key) => !fields.includes(key));
    if (other !== undefined) {
      const expected = `fields among ${fields.join(', ')}, not ${other}`;
      yield { path: ['output', 'choices'], expected };
    }
  }
  const sources = new Set([...inputSlots(slots), ...fields, ...field]);
  const { anchor, positive, hardNegatives = [] } = template.example ?? {};
  for (const source of [anchor, positive, ...hardNegatives]) {
    if (source !== undefined && !sources.has(source)) {
      yield { path: ['example'], expected: `names among ${[...sources].join(', ')}` };
    }
  }
}

function* textFaults(template: TemplateFields, known: ReadonlySet<string>): Generator<Fault> {
  const { messages, examples: rows, guidelines: lines } = template;
  const allowed = new Set(known);
  if (rows?.as === 'text') allowed.add('examples');
  if (lines !== undefined) allowed.add('guidelines');
  const unused = new Set(allowed);
  for (const [index, line] of (lines?.texts ?? []).entries()) {
    yield* slotFaults(['guidelines', 'texts', index], line, known, unused);
  }
  for (const [index, { text: wordings }] of messages.entries()) {
    const path = ['messages', index, 'text'];
    for (const wording of typeof wordings === 'string' ? [wordings] : wordings) {
      yield* slotFaults(path, wording, allowed, unused);
    }
  }
  if (unused.size > 0) {
    const expected = `every slot in a text, not unused ${[...unused].join(', ')}`;
    yield { path: ['messages'], expected };
  }
}

function* exampleFaults(template: TemplateFields, known: ReadonlySet<string>): Generator<Fault> {
  const { examples: block } = template;
  if (block === undefined) return;
  if (block.count > block.rows.length) {
    yield { path: ['examples', 'count'], expected: `at most ${block.rows.length}` };
  }
  const columns = new Set(Object.keys(block.rows[0]!));
  for (const [index, row] of block.rows.entries()) {
    const same = Object.keys(row).length === columns.size;
    if (!same || !Object.keys(row).every((key) => columns.has(key) && !known.has(key))) {
      const expected = `the fields ${[...columns].join(', ')}, none of them named as a slot`;
      yield { path: ['examples', 'rows', index], expected };
    }
  }
  const unused = new Set(columns);
  const texts = block.as === 'text' ? [block.text] : block.turns.map((turn) => turn.text);
  for (const wording of texts) {
    yield* slotFaults(['examples'], wording, new Set([...known, ...columns]), unused);
  }
  if (unused.size > 0) {
    yield {
      path: ['examples'],
      expected: `every column in a text, not unused ${[...unused].join(', ')}`,
    };
  }
}

function* slotFaults(
  path: readonly (string | number)[],
  wording: string,
  allowed: ReadonlySet<string>,
  unused: Set<string>,
): Generator<Fault> {
  const names = slotNamesIn(wording);
  if (typeof names === 'string') {
    yield { path, expected: names };
    return;
  }
  for (const slot of names) {
    unused.delete(slot);
    if (!allowed.has(slot)) {
      yield { path, expected: `slots among ${[...allowed].join(', ')}, not {${slot}}` };
    }
  }
}

function inputSlots(slots: TemplateFields['slots']): readonly string[] {
  return Object.entries(slots)
    .filter(([, slot]) => slot.from === 'input')
    .map(([slot]) => slot);
}
