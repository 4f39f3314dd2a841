import { wellFormed } from '../dataset/text.js';
import { readShape } from './answer_shapes.js';
import { refusalLanguage } from './refusals.js';
import type { RefusalPhrases } from './refusals.js';
import type { Template } from './template.js';

/** Why an answer gives no example; every drop is counted under one of these. */
export const dropReasons = [
  'unparsable',
  'missingField',
  'empty',
  'refusal',
  'truncated',
  'copiesAnchor',
  'positiveEqualsNegative',
  'duplicate',
  'tooLong',
  'grade',
  // Of a run that leaves out what is in evaluation sets, or more than a source's share.
  'overlap',
  'sourceShare',
] as const;

export type DropReason = (typeof dropReasons)[number];

export interface Drop {
  readonly reason: DropReason;
  /** One sentence for the quarantine file. */
  readonly detail: string;
}

/** An answer as a provider hands it over. */
export interface Answer {
  readonly text: string;
  /** `stop`, `length`, `content_filter`, …; null where the provider names none. */
  readonly finishReason: string | null;
}

/** The texts an answer gives an example, its anchor being an input or part of the answer. */
export interface ExampleTexts {
  readonly anchor: string;
  readonly positive?: string;
  readonly hardNegatives: readonly string[];
}

export interface ParsedAnswer {
  /** Texts by output field; empty for a list. */
  readonly fields: ReadonlyMap<string, string>;
  /** The items of a list that are usable, in order; empty for other shapes. */
  readonly list: readonly string[];
  /** List items that are not usable, and why. */
  readonly listDrops: readonly Drop[];
  /** Null where the template writes no example. */
  readonly example: ExampleTexts | null;
}

export interface ParseOptions {
  readonly refusals: readonly RefusalPhrases[];
  /** The longest text a field may hold, in characters; default 32,768. */
  readonly maxTextLength?: number;
}

/** An answer over this many characters is dropped unread. */
const maxAnswerLength = 2 ** 20;

/**
 * Reads one answer by its template's output shape. It never throws for what a model wrote, whatever
 * it wrote. `slots` are those of the rendered call.
 */
export function parseAnswer(
  template: Template,
  slots: ReadonlyMap<string, string>,
  answer: Answer,
  options: ParseOptions,
): ParsedAnswer | Drop {
  const early = unreadable(answer, options.refusals);
  if (early !== undefined) return early;
  const shaped = readShape(template.output, wellFormed(answer.text).text.trim());
  if ('problem' in shaped) return { reason: shaped.problem, detail: shaped.detail };
  if ('list' in shaped) return parsedList(shaped.list, options);
  for (const [field, text] of shaped.fields) {
    const drop = textDrop(field, text, options);
    if (drop !== undefined) return drop;
  }
  const example = exampleOf(template, slots, shaped.fields);
  const drop = example === null ? undefined : exampleDrop(example);
  return drop ?? { fields: shaped.fields, list: [], listDrops: [], example };
}

function unreadable(answer: Answer, refusals: readonly RefusalPhrases[]): Drop | undefined {
  const { text, finishReason } = answer;
  if (finishReason === 'content_filter') {
    return { reason: 'refusal', detail: 'expected an answer, received a content filter' };
  }
  if (finishReason === 'length') {
    return { reason: 'truncated', detail: 'expected a whole answer, received the token limit' };
  }
  if (text.length > maxAnswerLength) {
    return {
      reason: 'tooLong',
      detail: `expected at most ${maxAnswerLength} characters, received ${text.length}`,
    };
  }
  if (isBlank(text)) return { reason: 'empty', detail: 'expected an answer, received nothing' };
  const language = refusalLanguage(text, refusals);
  return language === null ? undefined : refusal(language);
}

function refusal(language: string): Drop {
  return { reason: 'refusal', detail: `expected an answer, received a refusal (${language})` };
}

function parsedList(items: readonly string[], options: ParseOptions): ParsedAnswer | Drop {
  const list: string[] = [];
  const listDrops: Drop[] = [];
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const drop = textDrop(`item ${index + 1}`, item, options);
    const key = comparable(item);
    if (drop !== undefined) {
      listDrops.push(drop);
    } else if (seen.has(key)) {
      listDrops.push({ reason: 'duplicate', detail: `expected item ${index + 1} to be new` });
    } else {
      seen.add(key);
      list.push(item);
    }
  }
  if (list.length === 0) {
    return listDrops[0] ?? { reason: 'empty', detail: 'expected items, received none' };
  }
  return { fields: new Map(), list, listDrops, example: null };
}

function textDrop(field: string, text: string, options: ParseOptions): Drop | undefined {
  const { refusals, maxTextLength = 32_768 } = options;
  if (isBlank(text)) return { reason: 'empty', detail: `expected text in ${field}` };
  if (text.length > maxTextLength) {
    const detail = `expected at most ${maxTextLength} characters in ${field}, received ${text.length}`;
    return { reason: 'tooLong', detail };
  }
  const language = refusalLanguage(text, refusals);
  return language === null ? undefined : refusal(language);
}

/** Letters, digits or symbols are text; white space, controls and invisible marks alone are not. */
function isBlank(text: string): boolean {
  return !/[^\s\p{C}\p{M}]/u.test(text);
}

function exampleOf(
  template: Template,
  slots: ReadonlyMap<string, string>,
  fields: ReadonlyMap<string, string>,
): ExampleTexts | null {
  if (template.example === undefined) return null;
  // The schema has seen to it that each name is an output field or an input slot.
  const text = (name: string): string => fields.get(name) ?? slots.get(name) ?? '';
  const { anchor, positive, hardNegatives = [] } = template.example;
  return {
    anchor: text(anchor),
    ...(positive === undefined ? {} : { positive: text(positive) }),
    hardNegatives: hardNegatives.map(text),
  };
}

/** Why these texts make no example, or undefined: also for one put together from two answers. */
export function exampleDrop({ anchor, positive, hardNegatives }: ExampleTexts): Drop | undefined {
  const anchorKey = comparable(anchor);
  const positiveKey = positive === undefined ? undefined : comparable(positive);
  const negativeKeys = hardNegatives.map(comparable);
  if (positiveKey === anchorKey || negativeKeys.includes(anchorKey)) {
    return { reason: 'copiesAnchor', detail: 'expected another text than the anchor' };
  }
  if (positiveKey !== undefined && negativeKeys.includes(positiveKey)) {
    const detail = 'expected different texts as positive and hard negative';
    return { reason: 'positiveEqualsNegative', detail };
  }
  if (new Set(negativeKeys).size < negativeKeys.length) {
    return { reason: 'duplicate', detail: 'expected each hard negative once' };
  }
  return undefined;
}

/** Equal for texts that differ in case and white space alone. */
export function comparable(text: string): string {
  return text.toLowerCase().replace(/\s+/gu, ' ').trim();
}
