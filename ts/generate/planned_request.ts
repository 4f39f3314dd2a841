// A planned call as the request that is sent, and the identity under which it is bought.
import { hash } from 'node:crypto';

import { canonicalHash } from '../files/canonical_json.js';
import type { JsonValue } from '../files/canonical_json.js';
import type { Provenance } from './example.js';
import type { ChatRequest } from './provider.js';
import type { PlannedCall, Unit } from './recipe.js';
import { renderCall } from './slots.js';
import type { Template } from './template.js';

export interface RequestSettings {
  readonly model: string;
  readonly seed: number;
  readonly slotWeights?: string | undefined;
}

/** A call of a unit, rendered. */
export interface PreparedCall {
  /**
   * Hash of model, messages, decoding, schema and seed: the id under which the call is claimed and
   * its answers are stored, so that an answer fits as long as the request is the same.
   */
  readonly id: string;
  readonly name: string;
  readonly template: Template;
  /** An answer to estimate by, where the recipe has one. */
  readonly madeUp?: string | undefined;
  readonly slots: ReadonlyMap<string, string>;
  /** The request of the n-th try, from 0: each has a seed of its own. */
  readonly request: (turn: number) => ChatRequest;
  /** The most tokens that one attempt can cost. */
  readonly tokens: number;
  /** Of them, the prompt's. */
  readonly promptTokens: number;
  readonly provenance: Provenance;
}

/** Renders a call. Throws as `renderCall` does. */
export function prepareCall(
  planned: PlannedCall,
  stage: string,
  unit: Unit,
  settings: RequestSettings,
): PreparedCall {
  const { name, template, inputs, madeUp } = planned;
  const { model, seed, slotWeights } = settings;
  const key = { seed, exampleId: unit.id, ...(slotWeights === undefined ? {} : { slotWeights }) };
  const { messages, slots } = renderCall(template, inputs, key);
  const { maxTokens, decoding, schema, schemaBytes } = frameOf(template);
  const asked = {
    model,
    messages: messages.map(({ role, text }) => ({ role, content: text })),
    maxOutputTokens: maxTokens,
    ...decoding,
    ...(schema === undefined ? {} : { schema }),
  };
  const seedOf = (turn: number): number => sentSeed([seed, stage, unit.id, name, turn]);
  const first = { ...asked, seed: seedOf(0) };
  const promptTokens = promptBound(asked.messages, schemaBytes);
  return {
    id: canonicalHash(first as unknown as JsonValue),
    name,
    template,
    madeUp,
    slots,
    request: (turn) => (turn === 0 ? first : { ...asked, seed: seedOf(turn) }),
    tokens: promptTokens + maxTokens,
    promptTokens,
    provenance: {
      template: { id: template.id, version: template.version, hash: template.hash },
      model,
      decoding: { ...decoding, maxTokens },
      seed,
      sourceId: unit.id,
    },
  };
}

/** 31 bits, which every server takes, as a function of the words alone. */
function sentSeed(words: readonly (string | number)[]): number {
  return Number.parseInt(hash('sha256', JSON.stringify(words)).slice(0, 8), 16) >>> 1;
}

/** What all calls of a template have alike. */
interface Frame {
  readonly maxTokens: number;
  readonly decoding: Readonly<Record<string, number>>;
  readonly schema: ChatRequest['schema'];
  readonly schemaBytes: number;
}

const frames = new WeakMap<Template, Frame>();

function frameOf(template: Template): Frame {
  const known = frames.get(template);
  if (known !== undefined) return known;
  const { maxTokens, ...decoding } = template.decoding;
  const schema = schemaOf(template);
  const schemaBytes = schema === undefined ? 0 : Buffer.byteLength(JSON.stringify(schema));
  const frame = { maxTokens, decoding: definedOnly(decoding), schema, schemaBytes };
  frames.set(template, frame);
  return frame;
}

function definedOnly(values: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(pairs) as Record<string, number>;
}

/** Structured outputs hold objects alone; every other shape is parsed from plain text. */
function schemaOf({ id, output }: Template): ChatRequest['schema'] {
  if (output.kind !== 'jsonObject') return undefined;
  const { fields, choices = {} } = output;
  const properties = fields.map((field) => [
    field,
    { type: 'string', ...(Object.hasOwn(choices, field) ? { enum: [...choices[field]!] } : {}) },
  ]);
  return {
    name: id,
    schema: {
      type: 'object',
      properties: Object.fromEntries(properties),
      required: [...fields],
      additionalProperties: false,
    },
  };
}

/** Tokens that chat formats put around a message, and around all of them. */
const messageOverhead = 16;

/** A token is a byte of UTF-8 or more in every tokenizer, so bytes are never fewer than tokens. */
function promptBound(messages: ChatRequest['messages'], schemaBytes: number): number {
  return messages.reduce(
    (sum, { content }) => sum + Buffer.byteLength(content) + messageOverhead,
    messageOverhead + schemaBytes,
  );
}
