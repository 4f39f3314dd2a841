import { drawnFrom } from '../../random/named_draws.js';
import type { Template } from '../template.js';
import type { Recognised } from './recognise.js';
import { contentWords, dissimilarTo, similarTo } from './rewrite.js';
import type { Draws } from './rewrite.js';
import { ruleGrade } from './rule_grade.js';
import type { Vocabulary } from './vocabulary.js';

/** Items of a list where the template does not say how many. */
const listLength = 20;

/** The answer to a recognised prompt, by the rules of its output shape. */
export function compose(found: Recognised, vocabulary: Vocabulary, next: Draws): string {
  const { output } = found.template;
  switch (output.kind) {
    case 'numberedLines': {
      const texts = fieldTexts(found, output.fields, vocabulary, next);
      return output.fields.map((field, i) => `${i + 1}. ${texts.get(field)!}`).join('\n');
    }
    case 'numberedList':
      return newSentences(lengthOf(found, output.max), vocabulary, next)
        .map((sentence, index) => `${index + 1}. ${sentence}`)
        .join('\n');
    case 'stringList':
      return JSON.stringify(newTasks(lengthOf(found, output.max), vocabulary, next));
    case 'sentence':
      return fieldTexts(found, [output.field], vocabulary, next).get(output.field)!;
    case 'quotedSentence': {
      const texts = fieldTexts(found, [output.field], vocabulary, next);
      return `"${texts.get(output.field)!.replaceAll('"', "'")}"`;
    }
    case 'number':
      return Math.min(Math.max(likeness(found, vocabulary), output.min), output.max).toFixed(1);
    case 'choice': {
      // The choices of our templates stand in order from the most alike.
      const at = Math.floor((1 - likeness(found, vocabulary) / 5) * output.choices.length);
      return output.choices[Math.min(Math.max(at, 0), output.choices.length - 1)]!;
    }
    default: {
      const texts = fieldTexts(found, output.fields, vocabulary, next);
      const chosen = output.fields.map((field) => {
        const choices = output.choices?.[field];
        return [
          field,
          choices === undefined ? texts.get(field)! : drawnFrom(choices, next),
        ] as const;
      });
      return JSON.stringify(Object.fromEntries(chosen));
    }
  }
}

function lengthOf({ slots }: Recognised, max: number): number {
  const asked = Number(slots.get('amount') ?? NaN);
  return Math.min(Number.isInteger(asked) && asked > 0 ? asked : listLength, max);
}

/** Each field by what it becomes in an example: the anchor first, the others as it asks. */
function fieldTexts(
  { template, slots }: Recognised,
  fields: readonly string[],
  vocabulary: Vocabulary,
  next: Draws,
): ReadonlyMap<string, string> {
  const { anchor, positive, hardNegatives = [] } = template.example ?? {};
  const given = anchor === undefined ? undefined : slots.get(anchor);
  const passage = positive === undefined ? undefined : slots.get(positive);
  const source =
    given ??
    (passage === undefined ? newSentence(vocabulary, next) : queryFor(passage, vocabulary, next));
  const texts = new Map<string, string>();
  for (const field of fields) {
    if (/label/.test(field)) texts.set(field, labelOtherThan(texts, vocabulary, next));
    else if (field === anchor) texts.set(field, source);
    else if (field === positive) texts.set(field, similarTo(source, vocabulary, next));
    else if (hardNegatives.includes(field))
      texts.set(field, dissimilarTo(source, vocabulary, next));
    else texts.set(field, lineOf(slots.get(`${field}s`), next) ?? newSentence(vocabulary, next));
  }
  return texts;
}

function labelOtherThan(
  texts: ReadonlyMap<string, string>,
  { labels }: Vocabulary,
  next: Draws,
): string {
  const taken = [...texts.values()];
  return drawnFrom(
    labels.filter((label) => !taken.includes(label)),
    next,
  );
}

/** One of the lines that were offered, such as a character. */
function lineOf(offered: string | undefined, next: Draws): string | undefined {
  return offered === undefined ? undefined : drawnFrom(offered.split('\n'), next);
}

function queryFor(passage: string, { frames }: Vocabulary, next: Draws): string {
  const words = [...new Set(contentWords(passage))].sort((a, b) => b.length - a.length).slice(0, 3);
  return drawnFrom(frames.query, next).replace('{words}', () => words.join(', '));
}

/** A sentence made of one of ours with other details. */
function newSentence(vocabulary: Vocabulary, next: Draws): string {
  return dissimilarTo(drawnFrom(vocabulary.seeds, next), vocabulary, next);
}

function newSentences(count: number, vocabulary: Vocabulary, next: Draws): readonly string[] {
  return Array.from({ length: count }, () => newSentence(vocabulary, next));
}

function newTasks(count: number, { tasks }: Vocabulary, next: Draws): readonly string[] {
  const { given, find } = tasks;
  return Array.from(
    { length: count },
    () => `Given ${drawnFrom(given, next)}, find ${drawnFrom(find, next)}.`,
  );
}

/** How alike the last input is to the one of the others that is most like it, from 0 to 5. */
function likeness({ template, slots }: Recognised, vocabulary: Vocabulary): number {
  const inputs = inputNames(template).map((name) => slots.get(name) ?? '');
  const last = inputs.pop() ?? '';
  return Math.max(0, ...inputs.map((text) => ruleGrade(text, last, vocabulary)));
}

function inputNames({ slots }: Template): readonly string[] {
  return Object.entries(slots).flatMap(([name, { from }]) => (from === 'input' ? [name] : []));
}
