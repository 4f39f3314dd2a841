import type { Example } from '../example.js';
import { preFilter, ruleInWords, survives } from '../curate.js';
import type { CurationRule, TripleGrades } from '../curate.js';
import type { ExampleTexts } from '../parse.js';
import type { CallAnswer, PlannedCall, Verdict } from '../recipe.js';
import type { Template } from '../template.js';
import { dropVerdict } from './rows.js';
import type { SettingReader } from './settings.js';
import { takeTemplate } from './templates_taken.js';

/** The template that grades two sentences from 0 to 5. */
export function gradeTemplate(templates: ReadonlyMap<string, Template>): Template {
  return takeTemplate(templates, 'multicsr-grade', {
    inputs: ['first', 'second'],
    shape: 'number',
    fields: ['grade'],
  });
}

export function gradeCall(
  template: Template,
  name: string,
  first: string,
  second: string,
): PlannedCall {
  return { name, template, inputs: { first, second } };
}

export function gradeIn({ parsed }: CallAnswer): number {
  return Number(parsed.fields.get('grade'));
}

/** A triple whose roles the pre-filter has looked at, with its grades in those roles. */
export interface GradedTriple {
  readonly texts: ExampleTexts;
  readonly grades: TripleGrades;
}

/**
 * The triple in the roles that its grades give it, or the drop that it is. Of several hard
 * negatives the one with the highest grade is looked at, and takes the positive's place in a swap.
 */
export function inGradedRoles(
  texts: ExampleTexts,
  positiveGrade: number,
  negativeGrades: readonly number[],
): GradedTriple | Extract<Verdict<Example>, { kind: 'drop' }> {
  const grades = { positive: positiveGrade, negative: Math.max(...negativeGrades) };
  const verdict = preFilter(grades);
  if (verdict === 'keep') return { texts, grades };
  const detail = `received grade ${grades.positive} for the positive and ${grades.negative} for the negative`;
  if (verdict === 'drop')
    return dropVerdict('grade', `expected a positive and a negative, ${detail}`);
  const at = negativeGrades.indexOf(grades.negative);
  const { anchor, positive = '', hardNegatives } = texts;
  const swapped = hardNegatives.map((text, index) => (index === at ? positive : text));
  const others = negativeGrades.map((grade, index) => (index === at ? positiveGrade : grade));
  return {
    texts: { anchor, positive: hardNegatives[at]!, hardNegatives: swapped },
    grades: { positive: grades.negative, negative: Math.max(...others) },
  };
}

/** The settings `rule`, `alpha`, `beta` and `gamma` as a rule; undefined where `rule` is `none`. */
export function curationSetting(read: SettingReader): CurationRule | undefined {
  const rule = read.choice('rule', ['default', 'released', 'released-no-gap', 'none'], 'default');
  const alpha = read.number('alpha', 0, 5, 3);
  const beta = read.number('beta', 0, 5, 3);
  const gamma = read.number('gamma', 0, 5, 1);
  if (rule === 'none') return undefined;
  if (rule === 'default') return { alpha, beta, gapRule: 'margin', gamma };
  return { alpha, beta, gapRule: rule === 'released' ? 'notEqual' : 'off' };
}

/** The drop of a triple that the rule does not keep, or undefined. */
export function curationDrop(
  grades: TripleGrades,
  rule: CurationRule | undefined,
): Extract<Verdict<Example>, { kind: 'drop' }> | undefined {
  if (rule === undefined || survives(grades, rule)) return undefined;
  return dropVerdict(
    'grade',
    `expected ${ruleInWords(rule)}, received ${grades.positive} and ${grades.negative}`,
  );
}
